import { type Metrics, SECONDS_BUCKETS } from '../core/metrics.ts';

interface EndedRequest {
  method: string;
  path: string;
  /** Of the route that took it; undefined where none did. */
  pattern: unknown;
  status: number;
  tookMs: number;
}

/** Counts and measures requests by the pattern of their route, never by their path. */
export interface HttpMetrics {
  ended(request: EndedRequest): void;
}

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);
const OTHER = 'other';
/** Whose routes are its own. */
const DASHBOARD = '/dashboard';

export function createHttpMetrics(metrics: Metrics): HttpMetrics {
  const requests = metrics.counter({
    name: 'citadel_http_requests_total',
    help: 'Requests that have ended, by route and status; 499 is a client that left.',
    labels: ['method', 'route', 'status'],
  });
  const durations = metrics.histogram({
    name: 'citadel_http_request_duration_seconds',
    help: 'Time from a request to the end of its answer.',
    labels: ['method', 'route'],
    buckets: SECONDS_BUCKETS,
  });

  return {
    ended({ method: asked, path, pattern, status, tookMs }) {
      const method = METHODS.has(asked) ? asked : OTHER;
      const route = routeOf(path, pattern);
      requests.add({ method, route, status: String(status) });
      durations.observe({ method, route }, tookMs / 1_000);
    },
  };
}

function routeOf(path: string, pattern: unknown): string {
  if (path === DASHBOARD || path.startsWith(`${DASHBOARD}/`)) return DASHBOARD;
  return typeof pattern === 'string' ? pattern : OTHER;
}
