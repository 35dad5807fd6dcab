import { createApp } from '../api/app.ts';
import type { HealthStore } from '../api/health-report.ts';
import type { Config } from '../core/config.ts';
import { AppError } from '../core/errors.ts';
import type { Lifecycle } from '../core/lifecycle.ts';
import type { Logger } from '../core/logger.ts';
import { endsWithin } from '../core/time-limit.ts';
import type { Tracing } from '../core/tracing.ts';
import { createDashboards } from '../dashboards/dashboards.ts';
import type { Dispatcher } from '../jobs/dispatcher.ts';
import type { Balancer } from '../servers/balancer.ts';
import { createPostgresActivityStore } from '../storage/postgres-activity-store.ts';
import { createPostgresCallStore } from '../storage/postgres-call-store.ts';
import { createPostgresUsageStore } from '../storage/postgres-usage-store.ts';
import { openAccessSide } from './access-side.ts';
import type { FleetReload } from './fleet-reload.ts';
import type { FrontDoor } from './front-door.ts';
import type { MetricsSide } from './metrics-side.ts';
import type { ModelSide } from './model-side.ts';
import { createServerAnnouncement } from './server-announcement.ts';
import type { StoreSide } from './store-side.ts';
import type { Queues } from './stores.ts';
import { VERSION } from './version.ts';

export interface ApiSide {
  dispatcher: Dispatcher;
  port: number;
  keyCount: number;
}

interface ApiDeps extends StoreSide, MetricsSide {
  config: Config;
  logger: Logger;
  queues: Queues;
  models: ModelSide;
  balancer: Balancer;
  life: Lifecycle;
  tracing: Tracing;
  door: FrontDoor;
  stores: readonly HealthStore[];
  fleetReload: FleetReload;
  isLeaving: () => boolean;
}

/** Serves the API and the operator page. */
export async function startApi(deps: ApiDeps): Promise<ApiSide> {
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
    stores,
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
    ...{ metrics, metricsPage, tracing },
    dispatcher,
    ledger,
    calls: createPostgresCallStore(store),
    bus: queues.bus,
    jsonDepthMax: config.limits.jsonDepth,
    admission,
    queuePauses,
    usageStore: createPostgresUsageStore(store),
    prices: () => config.prices,
    reloadConfig: deps.fleetReload.everywhere,
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

/** For the last answers to leave once every job has ended. */
const LAST_ANSWERS_MS = 500;

/** Ends what its clients still wait for. */
export async function endApi({ dispatcher }: ApiSide, door: FrontDoor): Promise<void> {
  dispatcher.endAll(new AppError('overloaded', 'Citadel is shutting down.', { retryAfterSeconds: 5 }));
  await endsWithin(door.drain(), LAST_ANSWERS_MS);
  door.destroy();
}
