import type { Express, RequestHandler, Router } from 'express';
import type { Authenticator } from '../access/authenticator.ts';
import type { KeyGate } from '../access/key-gate.ts';
import type { CallStore } from '../jobs/call-store.ts';
import type { Runs } from '../workflows/runs.ts';
import { createHealthApp, type HealthAppOptions } from './health-app.ts';
import type { HealthDeps } from './health-report.ts';
import { adminOnly } from './middleware/admin-only.ts';
import { authenticate } from './middleware/authenticate.ts';
import { jsonBody } from './middleware/json-body.ts';
import type { ModelRouteDeps } from './model-route.ts';
import { addRagRoutes, type RagRouteDeps } from './rag-routes.ts';
import { addRagSearchRoutes, type RagSearchRouteDeps } from './rag-search-routes.ts';
import { route } from './route.ts';
import { chatCompletions } from './routes/chat-completions.ts';
import {
  enterpriseHealth,
  health,
  queuesHealth,
  serversHealth,
  shortHealth,
} from './routes/cluster-health.ts';
import { completions } from './routes/completions.ts';
import { type ConfigRouteDeps, reload } from './routes/config-reload.ts';
import { docsFile, docsPage } from './routes/docs.ts';
import { embeddings } from './routes/embeddings.ts';
import { changeKey, createKey, getKey, type KeyRouteDeps, listKeys, revokeKey } from './routes/keys.ts';
import { getModel, listModels } from './routes/models.ts';
import { openApi } from './routes/openapi.ts';
import {
  distributeWorkload,
  failOver,
  getServerHealth,
  listServerDetails,
  type OrchestrationDeps,
  recover,
} from './routes/orchestration.ts';
import { pauseQueue, type QueueRouteDeps } from './routes/queues.ts';
import { getServer, listServers, registerServer, removeServer, updateServer } from './routes/servers.ts';
import { type UsageRouteDeps, usage } from './routes/usage.ts';
import { addRunRoutes, type RunRouteDeps } from './run-routes.ts';

export interface AppOptions
  extends ModelRouteDeps,
    OrchestrationDeps,
    KeyRouteDeps,
    QueueRouteDeps,
    UsageRouteDeps,
    ConfigRouteDeps,
    HealthDeps,
    RunRouteDeps,
    RagRouteDeps,
    RagSearchRouteDeps,
    HealthAppOptions {
  bus: OrchestrationDeps['bus'];
  ledger: ModelRouteDeps['ledger'];
  collections: RagRouteDeps['collections'];
  vectors: RagSearchRouteDeps['vectors'];
  admission: ModelRouteDeps['admission'];
  keyGate: KeyGate;
  keyRing: ModelRouteDeps['keyRing'];
  runs: Runs;
  calls: CallStore;
  queues: HealthDeps['queues'] & HealthAppOptions['queues'];
  authenticator: Authenticator;
  /** Of this Citadel. */
  version: string;
  /** The operator page: mounted at /dashboard, and its calls of these routes. */
  dashboards?: { router: Router; apiCalls: RequestHandler };
}

/** The HTTP API. */
export function createApp(options: AppOptions): Express {
  return createHealthApp(options, (app) => {
    route(app, '/openapi.json', { get: [openApi(options.version)] });
    route(app, '/docs', { get: [docsPage()] });
    route(app, '/docs/:file', { get: [docsFile()] });
    if (options.dashboards) {
      app.use('/dashboard', options.dashboards.router);
      app.use(options.dashboards.apiCalls);
    }
    app.use(authenticate(options.authenticator, options.corsOrigins));

    const body = jsonBody(options.bodyBytesMax);
    route(app, '/v1/chat/completions', { post: [...body, chatCompletions(options)] });
    route(app, '/v1/completions', { post: [...body, completions(options)] });
    route(app, '/v1/embeddings', { post: [...body, embeddings(options)] });
    route(app, '/v1/models', { get: [listModels(options)] });
    route(app, '/v1/models/*id', { get: [getModel(options)] });
    keyRoutes(app, options, body);
    serverRoutes(app, options, body);
    addRunRoutes(app, options, body);
    addRagRoutes(app, options, body);
    addRagSearchRoutes(app, options, body);
    operatorRoutes(app, options);
    healthRoutes(app, options);
  });
}

function keyRoutes(app: Express, options: AppOptions, body: RequestHandler[]): void {
  app.use('/api/v1/keys', adminOnly);
  route(app, '/api/v1/keys', { get: [listKeys(options)], post: [...body, createKey(options)] });
  route(app, '/api/v1/keys/:id', {
    get: [getKey(options)],
    patch: [...body, changeKey(options)],
    delete: [revokeKey(options)],
  });
}

function serverRoutes(app: Express, options: AppOptions, body: RequestHandler[]): void {
  const register = [adminOnly, ...body, registerServer(options)];
  const remove = [adminOnly, removeServer(options)];
  for (const prefix of ['/v1', '/api/v1']) {
    route(app, `${prefix}/servers`, { get: [adminOnly, listServers(options)], post: register });
    route(app, `${prefix}/servers/:id`, {
      get: [adminOnly, getServer(options)],
      patch: [adminOnly, ...body, updateServer(options)],
      delete: remove,
    });
  }
  for (const prefix of ['/orchestration', '/api/v1/orchestration']) {
    route(app, `${prefix}/servers/register`, { post: register });
    route(app, `${prefix}/servers/list`, { get: [adminOnly, listServerDetails(options)] });
    route(app, `${prefix}/servers/:id/health`, { get: [adminOnly, getServerHealth(options)] });
    route(app, `${prefix}/servers/:id`, { delete: remove });
    route(app, `${prefix}/failover/:id`, { post: [adminOnly, failOver(options)] });
    route(app, `${prefix}/recover/:id`, { post: [adminOnly, recover(options)] });
    route(app, `${prefix}/workload/distribute`, { post: [...body, distributeWorkload(options)] });
  }
}

function operatorRoutes(app: Express, options: AppOptions): void {
  route(app, '/api/v1/config/reload', { post: [adminOnly, reload(options)] });
  route(app, '/api/v1/usage', { get: [usage(options)] });
  route(app, '/api/v1/queues/:class/pause', { post: [adminOnly, pauseQueue(options, true)] });
  route(app, '/api/v1/queues/:class/resume', { post: [adminOnly, pauseQueue(options, false)] });
}

function healthRoutes(app: Express, options: AppOptions): void {
  route(app, '/health/enterprise', { get: [adminOnly, enterpriseHealth(options)] });
  route(app, '/v1/health', { get: [shortHealth(options)] });
  route(app, '/api/v1/health', { get: [health(options)] });
  route(app, '/api/v1/health/servers', { get: [serversHealth(options)] });
  route(app, '/api/v1/health/queues', { get: [queuesHealth(options)] });
}
