import type { Express, RequestHandler } from 'express';
import { AppError } from '../core/errors.ts';

type Method = 'get' | 'post' | 'put' | 'patch' | 'delete';

/** A path and its methods; any other method is a 405 that names them. */
export function route(app: Express, path: string, methods: Partial<Record<Method, RequestHandler[]>>): void {
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
