import { type Request, type RequestHandler, Router } from 'express';
import type { Authenticator } from '../access/authenticator.ts';
import type { Sessions } from '../access/sessions.ts';
import { createApiCalls } from './api-calls.ts';
import { addContentRoutes, type ContentDeps } from './content-routes.ts';
import { type OverviewDeps, overviewFeed } from './overview-feed.ts';
import { createPageFiles } from './page-files.ts';
import { createQueueBoard, type NativeQueue } from './queue-board.ts';
import { requireAdmin } from './require-admin.ts';
import { requireLocal, requirePage } from './same-origin.ts';
import { readSessionCookie } from './session-cookie.ts';
import { createSignIn } from './sign-in.ts';

export interface DashboardDeps extends OverviewDeps, ContentDeps {
  authenticator: Authenticator;
  sessions: Sessions;
  nativeQueues: readonly NativeQueue[];
}

export interface Dashboards {
  /** To be mounted at /dashboard: the operator page, what it needs beside the API, and bull-board at `/queues`. */
  router: Router;
  /** To run before the API's own routes: the page's calls of them. */
  apiCalls: RequestHandler;
}

export function createDashboards(deps: DashboardDeps): Dashboards {
  const router = Router();
  router.use((req, res, next) => {
    requireLocal(deps.authenticator, req);
    res.setHeader('x-content-type-options', 'nosniff');
    next();
  });
  router.use('/session', fromPage, createSignIn(deps));
  router.use('/api', fromPage, requireAdmin(deps));
  router.get(
    '/api/overview',
    overviewFeed(deps, (req) => isSignedIn(deps, req)),
  );
  addContentRoutes(router, deps);
  router.use('/queues', requireAdmin(deps), createQueueBoard(deps.nativeQueues));
  router.use(createPageFiles());
  return { router, apiCalls: createApiCalls(deps) };
}

const fromPage: RequestHandler = (req, _res, next) => {
  requirePage(req);
  next();
};

/** A stream goes on for hours: its session may end meanwhile. */
function isSignedIn({ authenticator, sessions }: DashboardDeps, req: Request): boolean {
  if (!authenticator.required || req.headers.authorization !== undefined) return true;
  return sessions.open(readSessionCookie(req) ?? '') !== null;
}
