import { createBullBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import { ExpressAdapter } from '@bull-board/express';
import { Router } from 'express';
import type { Authenticator } from '../access/authenticator.ts';
import { requireAdmin } from './require-admin.ts';

type NativeQueue = ConstructorParameters<typeof BullMQAdapter>[0];

interface QueueBoardOptions {
  queues: readonly NativeQueue[];
  authenticator: Authenticator;
}

const HIDDEN = '(hidden)';
/** Of a job's data, what may be seen: neither the prompt nor anything a caller wrote. */
const SHOWN = ['requestId', 'keyName', 'endpoint', 'model', 'modelClass', 'stream'] as const;

/** bull-board at /dashboard/queues, for admins, without prompts, answers and keys. It only shows: an interactive job
 *  that is run again by hand has nobody to answer. */
export function createQueueBoard({ queues, authenticator }: QueueBoardOptions): Router {
  const server = new ExpressAdapter();
  server.setBasePath('/dashboard/queues');
  createBullBoard({
    queues: queues.map(toAdapter),
    serverAdapter: server,
    options: { uiConfig: { boardTitle: 'Citadel queues', hideRedisDetails: true } },
  });

  const router = Router();
  router.use(requireAdmin(authenticator));
  router.get('/', (_req, res) => res.redirect('/dashboard/queues'));
  router.use('/queues', server.getRouter());
  return router;
}

function toAdapter(queue: NativeQueue): BullMQAdapter {
  const adapter = new BullMQAdapter(queue, { readOnlyMode: true });
  adapter.setFormatter('data', showData);
  adapter.setFormatter('returnValue', () => HIDDEN);
  adapter.setFormatter('progress', () => HIDDEN);
  return adapter;
}

function showData(data: Record<string, unknown> | null): object {
  const shown = Object.fromEntries(SHOWN.map((name) => [name, data?.[name] ?? null]));
  return { ...shown, body: HIDDEN };
}
