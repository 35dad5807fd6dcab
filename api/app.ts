import express, { type Express, type RequestHandler, type Router } from 'express';
import type { Authenticator } from '../access/authenticator.ts';
import { AppError } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import type { QueueSystem } from '../jobs/queue-system.ts';
import { authenticate } from './middleware/authenticate.ts';
import { identifyRequest } from './middleware/identify-request.ts';
import { jsonBody } from './middleware/json-body.ts';
import { reportError } from './middleware/report-error.ts';
import type { ModelRouteDeps } from './model-route.ts';
import { chatCompletions } from './routes/chat-completions.ts';
import { completions } from './routes/completions.ts';
import { embeddings } from './routes/embeddings.ts';
import { live, ready } from './routes/health.ts';
import { getModel, listModels } from './routes/models.ts';

export interface AppOptions extends ModelRouteDeps {
  authenticator: Authenticator;
  queues: QueueSystem;
  bodyBytesMax: number;
  startedSeconds: number;
  logger: Logger;
  /** Mounted at /dashboard for admins. */
  dashboards?: Router;
}

type Method = 'get' | 'post';

/** The HTTP API. */
export function createApp(options: AppOptions): Express {
  const { authenticator, queues, logger, isLeaving, dashboards } = options;
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.set('query parser', 'simple');
  app.use(identifyRequest(logger));

  route(app, '/health', { get: [live] });
  route(app, '/api/v1/health/live', { get: [live] });
  route(app, '/api/v1/health/ready', { get: [ready(queues, isLeaving)] });

  if (dashboards) app.use('/dashboard', dashboards);
  app.use(authenticate(authenticator));

  const body = jsonBody(options.bodyBytesMax);
  route(app, '/v1/chat/completions', { post: [...body, chatCompletions(options)] });
  route(app, '/v1/completions', { post: [...body, completions(options)] });
  route(app, '/v1/embeddings', { post: [...body, embeddings(options)] });
  route(app, '/v1/models', { get: [listModels(options)] });
  route(app, '/v1/models/*id', { get: [getModel(options)] });

  app.use(unknownRoute);
  app.use(reportError(logger));
  return app;
}

/** A path and its methods; any other method is a 405 that names them. */
function route(app: Express, path: string, methods: Partial<Record<Method, RequestHandler[]>>): void {
  const routes = app.route(path);
  for (const [method, handlers] of Object.entries(methods) as [Method, RequestHandler[]][]) {
    routes[method](...handlers);
  }
  const allowed = Object.keys(methods).map((method) => method.toUpperCase());
  if (allowed.includes('GET')) allowed.push('HEAD');
  routes.all((req, res) => {
    res.setHeader('allow', allowed.join(', '));
    throw new AppError(
      'method_not_allowed',
      `${req.method} is not allowed here; ${allowed.join(' or ')} is.`,
    );
  });
}

const unknownRoute: RequestHandler = (req) => {
  throw new AppError('not_found', `There is no route ${req.method} ${req.path}.`);
};
