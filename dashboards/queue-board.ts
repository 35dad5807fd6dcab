import type { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import type { RequestHandler } from 'express';
import { loadOnce } from '../core/load-once.ts';

export type NativeQueue = ConstructorParameters<typeof BullMQAdapter>[0];

const HIDDEN = '(hidden)';
/** Of a job's data, what may be seen: neither the prompt nor anything a caller wrote. */
const SHOWN = ['requestId', 'keyName', 'endpoint', 'model', 'modelClass', 'stream', 'runId'] as const;

/** bull-board comes with styles of its own in its markup. */
const CONTENT_POLICY = [
  "default-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "base-uri 'self'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ');

/** bull-board at /dashboard/queues, for admins, without prompts, answers and keys. It only shows: an interactive job
 *  that is run again by hand has nobody to answer. */
export function createQueueBoard(queues: readonly NativeQueue[]): RequestHandler {
  // 20 MB, for those that look.
  const board = loadOnce(() => loadBoard(queues));
  return async (req, res, next) => {
    res.setHeader('content-security-policy', CONTENT_POLICY);
    (await board())(req, res, next);
  };
}

async function loadBoard(queues: readonly NativeQueue[]): Promise<RequestHandler> {
  const [{ createBullBoard }, { BullMQAdapter }, { LocalBoard }] = await Promise.all([
    import('@bull-board/api'),
    import('@bull-board/api/bullMQAdapter'),
    import('./local-board.ts'),
  ]);
  const server = new LocalBoard();
  server.setBasePath('/dashboard/queues');
  createBullBoard({
    queues: queues.map((queue) => hideContents(new BullMQAdapter(queue, { readOnlyMode: true }))),
    serverAdapter: server,
    options: { uiConfig: { boardTitle: 'Citadel queues', hideRedisDetails: true } },
  });
  return server.getRouter();
}

function hideContents(adapter: BullMQAdapter): BullMQAdapter {
  adapter.setFormatter('data', showData);
  adapter.setFormatter('returnValue', () => HIDDEN);
  adapter.setFormatter('progress', () => HIDDEN);
  return adapter;
}

function showData(data: Record<string, unknown> | null): object {
  const known = SHOWN.filter((name) => data?.[name] !== undefined);
  return { ...Object.fromEntries(known.map((name) => [name, data?.[name]])), body: HIDDEN };
}
