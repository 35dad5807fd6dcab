import { createAuthenticator } from '../access/authenticator.ts';
import type { KeyRing } from '../access/key-ring.ts';
import { type Config, isLoopback } from '../core/config.ts';
import { type Metrics, type MetricsPage, NO_METRICS } from '../core/metrics.ts';
import { VERSION } from './version.ts';

/** What a process measures, and where that is shown: null in one that does not listen. */
export interface MetricsSide {
  metrics: Metrics;
  metricsPage: MetricsPage | null;
}

export async function openMetrics({ isHeard }: { isHeard: boolean }): Promise<MetricsSide> {
  if (!isHeard) return { metrics: NO_METRICS, metricsPage: null };
  const { createPrometheusMetrics } = await import('../core/prometheus-metrics.ts');
  const metrics = createPrometheusMetrics();
  metrics.gauge(
    { name: 'citadel_build_info', help: '1, of this version.', labels: ['version', 'node'] },
    () => [{ labels: { version: VERSION, node: process.version }, value: 1 }],
  );
  return { metrics, metricsPage: metrics.page };
}

/** Who may look into a process that has no store with keys in it, or waits for it. */
export function openLookAccess({ apiKeys, host }: Config, ring: Pick<KeyRing, 'isRead' | 'size' | 'find'>) {
  return createAuthenticator({
    keys: apiKeys,
    ring,
    openWithoutKeys: isLoopback(host),
    now: Date.now,
  });
}

export const NO_KEYS = { isRead: () => true, size: () => 0, find: () => null };
export const UNREAD_KEYS = { ...NO_KEYS, isRead: () => false };
