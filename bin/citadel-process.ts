// The composition root: the one place that sees every room. What is started here is stopped in reverse order.

import { createAuthenticator } from '../access/authenticator.ts';
import { createApp } from '../api/app.ts';
import { createHttpServer, type HttpServer } from '../api/http-server.ts';
import type { Config } from '../core/config.ts';
import { AppError } from '../core/errors.ts';
import { newInboxId } from '../core/ids.ts';
import { createLifecycle, type Lifecycle } from '../core/lifecycle.ts';
import type { Logger } from '../core/logger.ts';
import type { ModelClass } from '../core/schemas/model-class.ts';
import { createQueueBoard } from '../dashboards/queue-board.ts';
import { createDispatcher, type Dispatcher } from '../jobs/dispatcher.ts';
import { createLedger } from '../jobs/ledger.ts';
import { createBalancer } from '../servers/balancer.ts';
import { createPostgresLedgerStore } from '../storage/postgres-ledger-store.ts';
import { createWorkerPool, type WorkerPool } from '../workers/worker-pool.ts';
import { type ModelSide, openModelSide } from './model-side.ts';
import { openQueues, openStore, type Queues, type Store } from './stores.ts';

/** What a process does: serve HTTP, run jobs of some classes, or both. */
export interface Roles {
  api: boolean;
  classes: readonly ModelClass[];
}

export interface CitadelProcess {
  /** Where the API listens; null without one. */
  address: { host: string; port: number } | null;
  queueKind: Queues['kind'];
  storeKind: Store['kind'] | null;
  registry: ModelSide['registry'];
  /** Takes no new work, lets running jobs end for up to `graceMs`, hands the rest back, and stops everything. */
  close(graceMs?: number): Promise<void>;
}

interface CitadelOptions {
  config: Config;
  roles: Roles;
  logger: Logger;
  onFatal: (error: Error) => void;
}

interface ApiSide {
  server: HttpServer;
  dispatcher: Dispatcher;
  port: number;
}

const GRACE_MS = 20_000;
/** For the last answers to leave once every job has ended. */
const LAST_ANSWERS_MS = 500;

/** Starts Citadel in this process. Throws an Error for the operator, with nothing left running. */
export async function startCitadel(options: CitadelOptions): Promise<CitadelProcess> {
  const life = createLifecycle();
  try {
    return await startParts(options, life);
  } catch (error) {
    await life.close().catch(() => {});
    throw error;
  }
}

async function startParts(
  { config, roles, logger, onFatal }: CitadelOptions,
  life: Lifecycle,
): Promise<CitadelProcess> {
  const inbox = newInboxId();
  // Only the API writes to the store today: a worker's facts travel with its answers.
  const store = roles.api ? await openStore({ config, life, logger, onFatal }) : null;
  const [queues, models] = await Promise.all([
    openQueues({ config, life, logger }, inbox, store),
    openModelSide({ config, life, logger }),
  ]);
  const pools = startPools({ config, roles, logger, queues, models, life });
  let leaving = false;
  const api = store
    ? await startApi({ config, logger, queues, models, store, life, isLeaving: () => leaving })
    : null;

  return {
    address: api ? { host: config.host, port: api.port } : null,
    queueKind: queues.kind,
    storeKind: store?.kind ?? null,
    registry: models.registry,
    async close(graceMs = GRACE_MS) {
      leaving = true;
      const untilMs = Date.now() + graceMs;
      // The workers of this process go on for the clients of this process.
      if (api) await endsWithin(api.server.drain(), graceMs);
      await Promise.all(pools.map((pool) => pool.stop(Math.max(0, untilMs - Date.now()))));
      if (api) await endApi(api);
      await life.close();
    },
  };
}

interface PartsDeps {
  config: Config;
  logger: Logger;
  queues: Queues;
  models: ModelSide;
  life: Lifecycle;
}

function startPools({
  config,
  roles,
  logger,
  queues,
  models,
  life,
}: PartsDeps & { roles: Roles }): WorkerPool[] {
  const { registry, client } = models;
  const balancer = createBalancer(registry);
  life.defer('balancer', () => balancer.close());
  const { connectMs, firstTokenMs, loadMs, idleMs, totalMs, attempts } = config.limits;
  return roles.classes.map((modelClass) => {
    const pool = createWorkerPool({
      modelClass,
      queues,
      balancer,
      client,
      times: { connectMs, firstTokenMs, loadMs, idleMs, totalMs },
      attemptsMax: attempts,
      concurrency: config.classes[modelClass].concurrency,
      logger,
    });
    pool.start();
    // A worker whose store is closed under it spins.
    life.defer('workers', () => pool.stop(0));
    return pool;
  });
}

async function startApi(deps: PartsDeps & { store: Store; isLeaving: () => boolean }): Promise<ApiSide> {
  const { config, logger, queues, models, store, life, isLeaving } = deps;
  const ledger = createLedger({ store: createPostgresLedgerStore(store), logger });
  life.defer('ledger', () => ledger.close());
  const dispatcher = createDispatcher({ queues, totalMs: config.limits.totalMs, now: Date.now });
  life.defer('dispatcher', () => dispatcher.close());
  const authenticator = createAuthenticator(config.apiKeys);
  const handler = createApp({
    registry: models.registry,
    dispatcher,
    ledger,
    bus: queues.bus,
    jsonDepthMax: config.limits.jsonDepth,
    queueDepth: {
      lightweight: config.classes.lightweight.queueDepth,
      heavyweight: config.classes.heavyweight.queueDepth,
      embedding: config.classes.embedding.queueDepth,
    },
    isLeaving,
    authenticator,
    queues,
    bodyBytesMax: config.limits.bodyBytes,
    startedSeconds: Math.floor(Date.now() / 1000),
    logger,
    dashboards: createQueueBoard({ queues: queues.native(), authenticator }),
  });
  const server = createHttpServer({ host: config.host, port: config.port, handler });
  const port = await server.listen();
  life.defer('HTTP server', () => server.destroy());
  return { server, dispatcher, port };
}

async function endApi({ server, dispatcher }: ApiSide): Promise<void> {
  dispatcher.endAll(new AppError('overloaded', 'Citadel is shutting down.', { retryAfterSeconds: 5 }));
  await endsWithin(server.drain(), LAST_ANSWERS_MS);
  server.destroy();
}

async function endsWithin(work: Promise<unknown>, limitMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise((resolve) => {
    timer = setTimeout(resolve, limitMs);
  });
  await Promise.race([work, limit]);
  clearTimeout(timer);
}
