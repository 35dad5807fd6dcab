// The composition root: the one place that sees every room. What is started here is stopped in reverse order.

import { createHealthApp, type HealthAppOptions } from '../api/health-app.ts';
import { createWaitingApp } from '../api/waiting-app.ts';
import { type Config, loadConfig } from '../core/config.ts';
import { newInboxId } from '../core/ids.ts';
import { createLifecycle, type Lifecycle } from '../core/lifecycle.ts';
import type { RootLogger } from '../core/logger.ts';
import type { ModelClass } from '../core/schemas/model-class.ts';
import { endsWithin } from '../core/time-limit.ts';
import { createBalancer } from '../servers/balancer.ts';
import type { ModelAliases } from '../servers/model-aliases.ts';
import { addServerMetrics } from '../servers/server-metrics.ts';
import { createMeasuredPool } from '../storage/measured-pool.ts';
import { endApi, startApi } from './api-side.ts';
import { createConfigReload, type ReloadResult } from './config-reload.ts';
import { createFleetReload } from './fleet-reload.ts';
import { createFrontDoor, type FrontDoor } from './front-door.ts';
import { type MetricsSide, NO_KEYS, openLookAccess, openMetrics, UNREAD_KEYS } from './metrics-side.ts';
import { type ModelSide, openModelSide } from './model-side.ts';
import { startPools } from './pool-side.ts';
import { openStoreSide, type StoreSide } from './store-side.ts';
import { createStoreWait, type DatabaseWait } from './store-wait.ts';
import { type StoreWatch, watchStores } from './store-watch.ts';
import { openQueues, openStore, type Queues, type Store } from './stores.ts';
import { openTracing } from './tracing-side.ts';
import type { WorkSide } from './work-side.ts';

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
  logger: RootLogger;
  onFatal: (error: Error) => void;
  /** Reads the configuration again; from this process's environment unless told. */
  loadConfig?: () => Config;
  /** Ends a start that waits for its stores. */
  signal?: AbortSignal;
}

const GRACE_MS = 20_000;

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
  const { store, queues, stores, waitFor } = await openStores(options, { life, door, measured });
  const models = await openModelSide({ config, life, logger, bus: queues.bus, store, waitFor });
  const balancer = createBalancer({
    registry: models.registry,
    leases: queues.leases,
    modelHoldMs: config.limits.modelHoldMs,
    learnsFromCalls: config.health.passive,
  });
  life.defer('balancer', () => balancer.close());
  const pools = startPools({
    ...{ config, logger, queues, models, balancer, life, metrics, tracing },
    classes: roles.classes,
  });
  let leaving = false;
  const { registry } = models;
  addServerMetrics(metrics, { registry, inFlight: balancer.inFlight });
  const shared = { config, queues, registry, life, logger, metrics, tracing };
  const side = store && (await openStoreSide({ ...shared, store, waitFor }));
  const aliases = side?.calls.aliases ?? null;
  const reloads = openReloads(options, { life, queues, registry, aliases });
  const isLeaving = () => leaving;
  const deps = {
    config,
    logger,
    queues,
    life,
    door,
    ...reloads,
    stores,
    tracing,
    ...measured,
    isLeaving,
  };
  const api = roles.api && side ? await startApi({ ...deps, models, balancer, ...side }) : null;
  const port = api?.port ?? (config.portIsSet ? await serveHealth(deps, side) : null);

  return {
    address: port === null ? null : { host: config.host, port },
    queueKind: queues.kind,
    storeKind: store?.kind ?? null,
    registry: models.registry,
    keyCount: api?.keyCount ?? 0,
    work: side?.work ?? null,
    reloadConfig: reloads.reloadConfig,
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
  { life, door, measured }: { life: Lifecycle; door: FrontDoor; measured: MetricsSide },
): Promise<{ store: Store | null; queues: Queues; stores: StoreWatch['stores']; waitFor: DatabaseWait }> {
  // A worker of models has no store: its facts travel with its answers, and it asks the API for servers.
  const hasDatabase = roles.api || roles.workflows === true;
  const watch = watchStores(measured.metrics, { config, hasDatabase });
  const inbox = newInboxId();
  const isHeard = roles.api || config.portIsSet;
  const wait = createStoreWait({
    limitMs: config.limits.startMs,
    logger,
    signal,
    async onWait() {
      if (!isHeard) return;
      const authenticator = openLookAccess(config, hasDatabase ? UNREAD_KEYS : NO_KEYS);
      const { metricsPage } = measured;
      const { corsOrigins } = config;
      await door.serve(createWaitingApp({ logger, corsOrigins, metricsPage, authenticator }));
    },
  });
  const { databaseUrl, redisUrl } = config;
  const database = { name: 'the database', url: databaseUrl };
  const openDatabase = () => openStore({ config, life, logger, onFatal });
  const opened = hasDatabase ? await wait.until(database, openDatabase) : null;
  const store = opened && createMeasuredPool(opened, measured.metrics);
  if (store) watch.opened({ name: 'database', kind: store.kind, ping: () => store.query('SELECT 1') });
  const queuesAt = redisUrl === undefined ? database : { name: 'Redis', url: redisUrl };
  const queues = await wait.until(queuesAt, () => openQueues({ config, life, logger }, inbox, store));
  watch.opened({ name: 'queue', kind: queues.kind, ping: () => queues.ping() });
  return { store, queues, stores: watch.stores, waitFor: (read) => wait.until(database, read) };
}

/** Reads the configuration again: in this process, and in every one. */
function openReloads(
  { config, roles, logger, loadConfig: load = loadConfig }: CitadelOptions,
  { life, queues, registry, aliases }: ReloadDeps,
) {
  const reloadConfig = createConfigReload({ config, load, registry, aliases, logger });
  const fleetReload = createFleetReload({
    ...{ bus: queues.bus, reload: reloadConfig, logger },
    roles: [...(roles.api ? ['api'] : []), ...roles.classes, ...(roles.workflows ? ['workflow'] : [])],
    isAlone: queues.kind !== 'redis',
  });
  life.defer('fleet reload', () => fleetReload.close());
  return { reloadConfig, fleetReload };
}

interface ReloadDeps {
  life: Lifecycle;
  queues: Queues;
  registry: ModelSide['registry'];
  aliases: ModelAliases | null;
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
  const authenticator = openLookAccess(config, side?.keys.keyRing ?? NO_KEYS);
  return door.serve(createHealthApp({ ...app, authenticator, corsOrigins: config.corsOrigins }));
}
