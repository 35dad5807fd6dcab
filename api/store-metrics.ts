import type { Metrics } from '../core/metrics.ts';
import { endsWithin } from '../core/time-limit.ts';
import type { HealthStore } from './health-report.ts';

const STORE_LIMIT_MS = 750;

/** Whether the stores answer, asked whenever somebody looks. */
export function addStoreMetrics(metrics: Metrics, stores: readonly HealthStore[]): void {
  metrics.gauge(
    {
      name: 'citadel_store_up',
      help: 'Whether a store answers: the queue, or the database.',
      labels: ['store', 'kind'],
    },
    () =>
      Promise.all(
        stores.map(async (store) => ({
          labels: { store: store.name, kind: store.kind },
          value: (await isUp(store)) ? 1 : 0,
        })),
      ),
  );
}

async function isUp({ ping }: HealthStore): Promise<boolean> {
  try {
    return await endsWithin(ping(), STORE_LIMIT_MS);
  } catch {
    return false;
  }
}
