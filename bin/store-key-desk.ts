import { issueKey } from '../access/issue-key.ts';
import { toKeyView } from '../access/key-view.ts';
import type { Config } from '../core/config.ts';
import { AppError } from '../core/errors.ts';
import { createLifecycle } from '../core/lifecycle.ts';
import { createLogger } from '../core/logger.ts';
import { NewApiKey } from '../core/schemas/api-key.ts';
import { createPostgresKeyStore } from '../storage/postgres-key-store.ts';
import type { KeyDesk } from './key-desk.ts';
import { PAGE, readPages } from './key-pages.ts';
import { openStore } from './stores.ts';

/** Runs `work` with the keys in the configured store, which it opens for that long. */
export async function withStoreDesk<T>(config: Config, work: (desk: KeyDesk) => Promise<T>): Promise<T> {
  const logger = createLogger({ level: config.logLevel });
  const life = createLifecycle();
  try {
    const onFatal = (error: Error) => logger.fatal('the store died', { error });
    const store = await openStore({ config, life, logger, onFatal });
    return await work(createStoreDesk(createPostgresKeyStore(store), config));
  } finally {
    await life.close();
  }
}

function createStoreDesk(store: ReturnType<typeof createPostgresKeyStore>, { apiKeys }: Config): KeyDesk {
  return {
    async create(wanted) {
      const settings = parseNewKey(wanted);
      if (apiKeys.some(({ name }) => name === settings.name)) {
        throw new AppError('conflict', 'A key of the configuration has this name.', { param: 'name' });
      }
      const { record, key } = await issueKey(store, settings, new Date());
      return { ...toKeyView({ ...record, lastUsedAt: null }), key };
    },
    list: () => readPages((after) => store.list({ limit: PAGE, after }).then((keys) => keys.map(toKeyView))),
    async revoke(id) {
      await store.revoke(id, new Date());
    },
  };
}

function parseNewKey(wanted: object): NewApiKey {
  const { data, error } = NewApiKey.safeParse(wanted);
  if (data) return data;
  const [issue] = error.issues;
  throw new AppError('invalid_request', `${issue?.path.join('.')}: ${issue?.message}.`);
}
