import { createAuthenticator } from '../access/authenticator.ts';
import type { KeyRing } from '../access/key-ring.ts';
import type { HealthStore } from '../api/health-report.ts';
import { addStoreMetrics } from '../api/store-metrics.ts';
import { type Config, isLoopback } from '../core/config.ts';
import { type Metrics, type MetricsPage, NO_METRICS } from '../core/metrics.ts';
import type { Balancer } from '../servers/balancer.ts';
import type { Registry } from '../servers/registry.ts';
import { addServerMetrics } from '../servers/server-metrics.ts';
import type { Queues, Store } from './stores.ts';
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

interface Around {
  queues: Queues;
  store: Store | null;
  registry: Registry;
  balancer: Pick<Balancer, 'inFlight'>;
}

/** Shows how the model servers and the stores do; gives the stores. */
export function watchAround(metrics: Metrics, { queues, store, registry, balancer }: Around): HealthStore[] {
  const stores: HealthStore[] = [{ name: 'queue', kind: queues.kind, ping: () => queues.ping() }];
  if (store) stores.push({ name: 'database', kind: store.kind, ping: () => store.query('SELECT 1') });
  addServerMetrics(metrics, { registry, inFlight: balancer.inFlight });
  addStoreMetrics(metrics, stores);
  return stores;
}

/** Who may look into a worker, which may have no store with keys in it. */
export function openWorkerAccess({ apiKeys, host }: Config, keyRing: KeyRing | undefined) {
  return createAuthenticator({
    keys: apiKeys,
    ring: keyRing ?? { isRead: () => true, size: () => 0, find: () => null },
    openWithoutKeys: isLoopback(host),
    now: Date.now,
  });
}
