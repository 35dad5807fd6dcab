// The composition root: the one place that sees every room. What is started here is stopped in reverse order.

import { createApp } from '../api/app.ts';
import { createHealthApp, type HealthAppOptions } from '../api/health-app.ts';
import type { HealthStore } from '../api/health-report.ts';
import { createWaitingApp } from '../api/waiting-app.ts';
import { type Config, loadConfig } from '../core/config.ts';
import { AppError } from '../core/errors.ts';
import { newInboxId } from '../core/ids.ts';
import { createLifecycle, type Lifecycle } from '../core/lifecycle.ts';
import type { Logger } from '../core/logger.ts';
import type { ModelClass } from '../core/schemas/model-class.ts';
import { endsWithin } from '../core/time-limit.ts';
import type { Tracing } from '../core/tracing.ts';
import { createDashboards } from '../dashboards/dashboards.ts';
import type { Dispatcher } from '../jobs/dispatcher.ts';
import { type Balancer, createBalancer } from '../servers/balancer.ts';
import { createMeasuredPool } from '../storage/measured-pool.ts';
import { createPostgresActivityStore } from '../storage/postgres-activity-store.ts';
import { createPostgresUsageStore } from '../storage/postgres-usage-store.ts';
import { createAttemptMetrics } from '../workers/attempt-metrics.ts';
import { createJobMover } from '../workers/job-mover.ts';
import { addPoolMetrics } from '../workers/pool-metrics.ts';
import { createRetryBudget } from '../workers/retry-budget.ts';
import { createWorkerPool, type WorkerPool } from '../workers/worker-pool.ts';
import { openAccessSide } from './access-side.ts';
import { type CallSide, openCallSide } from './call-side.ts';
import { createConfigReload, type ReloadResult } from './config-reload.ts';
import { createFrontDoor, type FrontDoor } from './front-door.ts';
import { type KeySide, openKeySide } from './key-side.ts';
import { type MetricsSide, openMetrics, openWorkerAccess, watchAround } from './metrics-side.ts';
import { type ModelSide, openModelSide } from './model-side.ts';
import { createServerAnnouncement } from './server-announcement.ts';
import { createStoreWait } from './store-wait.ts';
import { openQueues, openStore, type Queues, type Store } from './stores.ts';
import { openTracing } from './tracing-side.ts';
import { VERSION } from './version.ts';
import { openWorkSide, type WorkSide } from './work-side.ts';

/** What a process does: serve HTTP, run jobs of some classes, or both. */
export interface Roles {
  api: boolean;
  classes: readonly ModelClass[];
  /** Runs the steps of accepted work; the API does so in any case. */
  workflows?: boolean;
}

export interface CitadelProcess {
  /** Where the API or a worker's health is served; null where nothing is. */
  address: { host: string; port: number } | null;
  queueKind: Queues['kind'];
  storeKind: Store['kind'] | null;
  registry: ModelSide['registry'];
  /** API keys, of the configuration and in the store; 0 lets this machine call without one. */
  keyCount: number;
  /** Accepted work; null in a process without a store. */
  work: Pick<WorkSide, 'runs' | 'definitions' | 'rag'> | null;
  /** Reads the configuration again. Throws AppError `invalid_request` with every problem, having changed nothing. */
  reloadConfig(): ReloadResult;
  /** Takes no new work, lets running jobs end for up to `graceMs`, hands the rest back, and stops everything. */
  close(graceMs?: number): Promise<void>;
}

interface CitadelOptions {
  config: Config;
  roles: Roles;
  logger: Logger;
  onFatal: (error: Error) => void;
  /** Reads the configuration again; from this process's environment unless told. */
  loadConfig?: () => Config;
  /** Ends a start that waits for its stores. */
  signal?: AbortSignal;
}

interface ApiSide {
  dispatcher: Dispatcher;
  port: number;
  keyCount: number;
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

async function startParts(options: CitadelOptions, life: Lifecycle): Promise<CitadelProcess> {
  const { config, roles, logger } = options;
  const door = createFrontDoor(config, life);
  const measured = await openMetrics({ isHeard: roles.api || config.portIsSet });
  const { metrics } = measured;
  const tracing = await openTracing({ config, life, logger });
  const { store, queues } = await openStores(options, { life, door, metrics });
  const models = await openModelSide({ config, life, logger, bus: queues.bus, store });
  const balancer = createBalancer({
    registry: models.registry,
    leases: queues.leases,
    modelHoldMs: config.limits.modelHoldMs,
    learnsFromCalls: config.health.passive,
  });
  life.defer('balancer', () => balancer.close());
  const pools = startPools({ config, roles, logger, queues, models, balancer, life, metrics, tracing });
  let leaving = false;
  const { registry } = models;
  const stores = watchAround(metrics, { queues, store, registry, balancer });
  const shared = { config, queues, registry, life, logger, metrics, tracing };
  const side = store && (await openStoreSide({ ...shared, store }));
  const reloadConfig = createConfigReload({
    config,
    load: options.loadConfig ?? loadConfig,
    registry,
    aliases: side?.calls.aliases ?? null,
    logger,
  });
  const isLeaving = () => leaving;
  const deps = { config, logger, queues, life, door, reloadConfig, stores, tracing, ...measured, isLeaving };
  const api = roles.api && side ? await startApi({ ...deps, models, balancer, ...side }) : null;
  const port = api?.port ?? (config.portIsSet ? await serveHealth(deps, side) : null);

  return {
    address: port === null ? null : { host: config.host, port },
    queueKind: queues.kind,
    storeKind: store?.kind ?? null,
    registry: models.registry,
    keyCount: api?.keyCount ?? 0,
    work: side?.work ?? null,
    reloadConfig,
    async close(graceMs = GRACE_MS) {
      leaving = true;
      const untilMs = Date.now() + graceMs;
      // The workers of this process go on for the clients and the runs of this process.
      await Promise.all([api && endsWithin(door.drain(), graceMs), side?.work.stop(graceMs)]);
      await Promise.all(pools.map((pool) => pool.stop(Math.max(0, untilMs - Date.now()))));
      if (api) await endApi(api, door);
      await life.close();
    },
  };
}

/** Opens the stores, waiting for those that are not there yet; who asks meanwhile is told so. */
async function openStores(
  { config, roles, logger, onFatal, signal }: CitadelOptions,
  { life, door, metrics }: { life: Lifecycle; door: FrontDoor; metrics: MetricsSide['metrics'] },
): Promise<{ store: Store | null; queues: Queues }> {
  const inbox = newInboxId();
  const isHeard = roles.api || config.portIsSet;
  const wait = createStoreWait({
    limitMs: config.limits.startMs,
    logger,
    signal,
    async onWait() {
      if (isHeard) await door.serve(createWaitingApp({ logger, corsOrigins: config.corsOrigins }));
    },
  });
  // A worker of models has no store: its facts travel with its answers, and it asks the API for servers.
  const hasStore = roles.api || roles.workflows === true;
  const { databaseUrl, redisUrl } = config;
  const database = { name: 'the database', url: databaseUrl };
  const openDatabase = () => openStore({ config, life, logger, onFatal });
  const opened = hasStore ? await wait.until(database, openDatabase) : null;
  const store = opened && createMeasuredPool(opened, metrics);
  const queuesAt = redisUrl === undefined ? database : { name: 'Redis', url: redisUrl };
  const queues = await wait.until(queuesAt, () => openQueues({ config, life, logger }, inbox, store));
  return { store, queues };
}

interface PartsDeps {
  config: Config;
  logger: Logger;
  queues: Queues;
  models: ModelSide;
  balancer: Balancer;
  life: Lifecycle;
  metrics: MetricsSide['metrics'];
  tracing: Tracing;
}

function startPools({
  config,
  roles,
  logger,
  queues,
  models,
  balancer,
  life,
  metrics,
  tracing,
}: PartsDeps & { roles: Roles }): WorkerPool[] {
  const { client } = models;
  const retryBudget = createRetryBudget({
    share: config.limits.retryBudget,
    floor: config.limits.retryFloorPer10s,
  });
  const attemptMetrics = createAttemptMetrics(metrics);
  const byClass = roles.classes.map((modelClass) => {
    const pool = createWorkerPool({
      modelClass,
      queues,
      balancer,
      client,
      // Read at each call, since some of it can change while the process runs.
      times: config.limits,
      attemptsMax: config.limits.attempts,
      retryBudget,
      concurrency: config.classes[modelClass].concurrency,
      logger,
      metrics: attemptMetrics,
      tracing,
    });
    pool.start();
    // A worker whose store is closed under it spins.
    life.defer('workers', () => pool.stop(0));
    return [modelClass, pool] as const;
  });
  const pools = byClass.map(([, pool]) => pool);
  addPoolMetrics(metrics, new Map(byClass));
  if (pools.length > 0) {
    const mover = createJobMover({ bus: queues.bus, pools });
    life.defer('job mover', () => mover.close());
  }
  return pools;
}

/** What every process does that has a store. */
interface StoreSide {
  store: Store;
  calls: CallSide;
  keys: KeySide;
  work: WorkSide;
}

async function openStoreSide(deps: Parameters<typeof openCallSide>[0]): Promise<StoreSide> {
  const calls = openCallSide(deps);
  const keys = await openKeySide({ ...deps, ledger: calls.ledger });
  const work = await openWorkSide({ ...deps, calls, keys });
  return { store: deps.store, calls, keys, work };
}

interface ApiDeps extends PartsDeps, StoreSide, MetricsSide {
  door: FrontDoor;
  stores: HealthStore[];
  reloadConfig: () => ReloadResult;
  isLeaving: () => boolean;
}

async function startApi(deps: ApiDeps): Promise<ApiSide> {
  const { config, logger, queues, models, balancer, store, life, isLeaving } = deps;
  const { metrics, metricsPage, tracing, stores } = deps;
  const { ledger, admission, dispatcher, aliases, queuePauses } = deps.calls;
  const { registry, serverAdmin } = models;
  if (!serverAdmin) throw new Error('The API needs a store for what it says of servers.');
  const announcement = store.kind === 'pglite' ? createServerAnnouncement(config) : null;
  const operatorKey = announcement?.operatorKey;
  const access = openAccessSide({ config, queues, keys: deps.keys, operatorKey });
  const health = {
    registry,
    queues,
    inFlight: balancer.inFlight,
    stores: [
      { name: 'queue', kind: queues.kind, ping: () => queues.ping() },
      { name: 'database', kind: store.kind, ping: () => store.query('SELECT 1') },
    ],
  };
  const dashboards = createDashboards({
    ...health,
    ...access,
    ...{ admission, isLeaving, logger },
    activity: createPostgresActivityStore(store),
    inspection: deps.work.inspection,
    nativeQueues: queues.native(),
  });
  const handler = createApp({
    ...health,
    ...access,
    ...deps.work,
    ...deps.work.rag,
    ...deps.work.ingest,
    ingestBytesMax: config.limits.ingestBytes,
    uploadBytesMax: config.limits.uploadBytes,
    hasWebhookSecret: config.webhookSecret !== undefined,
    totalMs: config.limits.totalMs,
    aliases,
    serverAdmin,
    routing: balancer,
    inFlight: balancer.inFlight,
    ...{ stores, metrics, metricsPage, tracing },
    dispatcher,
    ledger,
    bus: queues.bus,
    jsonDepthMax: config.limits.jsonDepth,
    admission,
    queuePauses,
    usageStore: createPostgresUsageStore(store),
    prices: () => config.prices,
    reloadConfig: deps.reloadConfig,
    isLeaving,
    bodyBytesMax: config.limits.bodyBytes,
    version: VERSION,
    corsOrigins: config.corsOrigins,
    startedSeconds: Math.floor(Date.now() / 1000),
    logger,
    dashboards,
  });
  const port = await deps.door.serve(handler);
  await announcement?.publish(port);
  life.defer('announcement', () => announcement?.withdraw());
  return { dispatcher, port, keyCount: config.apiKeys.length + access.keyRing.size() };
}

/** A worker's. It answers until the last job has ended, so that whoever watches it sees it leave. */
function serveHealth(
  {
    config,
    door,
    ...app
  }: Omit<HealthAppOptions, 'corsOrigins' | 'authenticator'> & { config: Config; door: FrontDoor },
  side: StoreSide | null,
): Promise<number> {
  const authenticator = openWorkerAccess(config, side?.keys.keyRing);
  return door.serve(createHealthApp({ ...app, authenticator, corsOrigins: config.corsOrigins }));
}

async function endApi({ dispatcher }: ApiSide, door: FrontDoor): Promise<void> {
  dispatcher.endAll(new AppError('overloaded', 'Citadel is shutting down.', { retryAfterSeconds: 5 }));
  await endsWithin(door.drain(), LAST_ANSWERS_MS);
  door.destroy();
}
