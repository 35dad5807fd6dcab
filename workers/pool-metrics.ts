import type { Metrics } from '../core/metrics.ts';
import type { ModelClass } from '../core/schemas/model-class.ts';
import type { WorkerPool } from './worker-pool.ts';

/** What the worker pools of this process have in hand. */
export function addPoolMetrics(metrics: Metrics, pools: ReadonlyMap<ModelClass, WorkerPool>): void {
  metrics.gauge(
    {
      name: 'citadel_worker_jobs',
      help: 'Jobs that the workers of this process have: running, or parked until a server has a free slot.',
      labels: ['class', 'state'],
    },
    () =>
      [...pools].flatMap(([modelClass, pool]) => {
        const { running, parked } = pool.inHand();
        return [
          { labels: { class: modelClass, state: 'running' }, value: running },
          { labels: { class: modelClass, state: 'parked' }, value: parked },
        ];
      }),
  );
}
