import type { KeyView } from '../access/key-view.ts';
import type { Config } from '../core/config.ts';
import { AppError, ERRORS, type ErrorCode } from '../core/errors.ts';
import { PAGE, readPages } from './key-pages.ts';
import { findLiveServer, type RunningServer } from './server-announcement.ts';

/** The keys, for commands. */
export interface KeyDesk {
  create(wanted: object): Promise<KeyView & { key: string }>;
  /** Newest first. */
  list(): Promise<KeyView[]>;
  revoke(id: string): Promise<void>;
}

const ANSWER_LIMIT_MS = 10_000;

/** Runs `work` with the keys of the configured store: over the server that has the data directory open, or in the store
 *  itself where no server has (a database takes several). */
export async function withKeyDesk<T>(config: Config, work: (desk: KeyDesk) => Promise<T>): Promise<T> {
  if (config.databaseUrl === undefined) {
    const server = await findLiveServer(config.dataDir);
    if (server) return await work(createServerDesk(server));
  }
  // Half a second, which the way over a server does not need.
  const { withStoreDesk } = await import('./store-key-desk.ts');
  return await withStoreDesk(config, work);
}

function createServerDesk({ url, operatorKey }: RunningServer): KeyDesk {
  return {
    create: (wanted) => call('POST', '', wanted),
    list: () =>
      readPages(async (after) => {
        const query = `?limit=${PAGE}${after === null ? '' : `&after=${after}`}`;
        return (await call<{ data: KeyView[] }>('GET', query)).data;
      }),
    async revoke(id) {
      await call('DELETE', `/${encodeURIComponent(id)}`);
    },
  };

  async function call<T>(method: string, path: string, body?: object): Promise<T> {
    const response = await fetch(`${url}/api/v1/keys${path}`, {
      method,
      headers: { authorization: `Bearer ${operatorKey}`, 'content-type': 'application/json' },
      body: body === undefined ? null : JSON.stringify(body),
      signal: AbortSignal.timeout(ANSWER_LIMIT_MS),
    });
    const answer = await response.json();
    if (response.ok) return answer as T;
    const { code, message } = (answer as { error: { code: string; message: string } }).error;
    throw new AppError(code in ERRORS ? (code as ErrorCode) : 'internal', message);
  }
}
