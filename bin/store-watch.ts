import type { HealthStore } from '../api/health-report.ts';
import { addStoreMetrics } from '../api/store-metrics.ts';
import type { Config } from '../core/config.ts';
import type { Metrics } from '../core/metrics.ts';

/** The stores of this process from its start on: those that it still waits for do not answer. */
export interface StoreWatch {
  readonly stores: readonly HealthStore[];
  opened(store: HealthStore): void;
}

export function watchStores(
  metrics: Metrics,
  { config, hasDatabase }: { config: Config; hasDatabase: boolean },
): StoreWatch {
  const database = config.databaseUrl === undefined ? 'pglite' : 'postgres';
  const stores = [awaited('queue', config.redisUrl === undefined ? database : 'redis')];
  if (hasDatabase) stores.push(awaited('database', database));
  addStoreMetrics(metrics, stores);
  return {
    stores,
    opened(store) {
      stores.splice(
        stores.findIndex(({ name }) => name === store.name),
        1,
        store,
      );
    },
  };
}

function awaited(name: string, kind: string): HealthStore {
  return {
    name,
    kind,
    async ping() {
      throw new Error('It is waited for.');
    },
  };
}
