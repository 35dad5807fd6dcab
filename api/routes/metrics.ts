import type { RequestHandler } from 'express';
import type { MetricsPage } from '../../core/metrics.ts';

/** GET /metrics: what this process measures, as Prometheus reads it. */
export function metrics(page: MetricsPage): RequestHandler {
  return async (_req, res) => {
    const text = await page.read();
    res.setHeader('cache-control', 'no-store');
    res.setHeader('content-type', page.contentType);
    res.end(text);
  };
}
