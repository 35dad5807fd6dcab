import express, { type Express, type RequestHandler } from 'express';
import { AppError } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import type { QueueSystem } from '../jobs/queue-system.ts';
import { allowOrigins } from './middleware/allow-origins.ts';
import { identifyRequest } from './middleware/identify-request.ts';
import { reportError } from './middleware/report-error.ts';
import { route } from './route.ts';
import { live, ready } from './routes/health.ts';

export interface HealthAppOptions {
  queues: Pick<QueueSystem, 'ping'>;
  /** Whether the process has been asked to end: then it is not ready. */
  isLeaving: () => boolean;
  logger: Logger;
  /** Origins of web pages that may call. */
  corsOrigins: readonly string[];
}

/** What every process serves, to anyone: its health, and the one error shape for all else. `addMore` puts routes between. */
export function createHealthApp(
  { queues, isLeaving, logger, corsOrigins }: HealthAppOptions,
  addMore: (app: Express) => void = () => {},
): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.set('query parser', 'simple');
  app.use(identifyRequest(logger));
  app.use(allowOrigins(corsOrigins));

  route(app, '/health', { get: [live] });
  route(app, '/api/v1/health/live', { get: [live] });
  route(app, '/api/v1/health/ready', { get: [ready(queues, isLeaving)] });
  addMore(app);

  app.use(unknownRoute);
  app.use(reportError(logger));
  return app;
}

const unknownRoute: RequestHandler = (req) => {
  throw new AppError('not_found', `There is no route ${req.method} ${req.path}.`);
};
