import express, { type Express, type RequestHandler } from 'express';
import type { Authenticator } from '../access/authenticator.ts';
import { AppError } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import { type Metrics, type MetricsPage, NO_METRICS } from '../core/metrics.ts';
import { NO_TRACING, type Tracing } from '../core/tracing.ts';
import type { QueueSystem } from '../jobs/queue-system.ts';
import { createHttpMetrics } from './http-metrics.ts';
import { allowOrigins } from './middleware/allow-origins.ts';
import { identifyRequest } from './middleware/identify-request.ts';
import { localOrAdmin } from './middleware/local-or-admin.ts';
import { reportError } from './middleware/report-error.ts';
import { traceRequest } from './middleware/trace-request.ts';
import { route } from './route.ts';
import { live, ready } from './routes/health.ts';
import { metrics as metricsRoute } from './routes/metrics.ts';

export interface HealthAppOptions {
  queues: Pick<QueueSystem, 'ping'>;
  /** Whether the process has been asked to end: then it is not ready. */
  isLeaving: () => boolean;
  logger: Logger;
  /** Origins of web pages that may call. */
  corsOrigins: readonly string[];
  /** What is measured. */
  metrics?: Metrics;
  /** Where that is shown, to whom `authenticator` says; left out in a process that shows none. */
  metricsPage?: MetricsPage | null;
  tracing?: Tracing;
  authenticator?: Authenticator;
}

/** What every process serves: its health, to anyone, its metrics, and the one error shape for all else. `addMore` puts
 *  routes between. */
export function createHealthApp(
  options: HealthAppOptions,
  addMore: (app: Express) => void = () => {},
): Express {
  const { queues, isLeaving, logger, corsOrigins, authenticator } = options;
  const { metrics = NO_METRICS, metricsPage, tracing = NO_TRACING } = options;
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.set('query parser', 'simple');
  app.use(identifyRequest(logger, createHttpMetrics(metrics)));
  if (tracing.isOn) app.use(traceRequest(tracing));
  app.use(allowOrigins(corsOrigins));

  route(app, '/health', { get: [live] });
  route(app, '/api/v1/health/live', { get: [live] });
  route(app, '/api/v1/health/ready', { get: [ready(queues, isLeaving)] });
  if (metricsPage && authenticator) {
    route(app, '/metrics', { get: [localOrAdmin(authenticator), metricsRoute(metricsPage)] });
  }
  addMore(app);

  app.use(unknownRoute);
  app.use(reportError(logger));
  return app;
}

const unknownRoute: RequestHandler = (req) => {
  throw new AppError('not_found', `There is no route ${req.method} ${req.path}.`);
};
