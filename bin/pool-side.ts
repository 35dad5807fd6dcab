import type { Config } from '../core/config.ts';
import type { Lifecycle } from '../core/lifecycle.ts';
import type { Logger } from '../core/logger.ts';
import type { Metrics } from '../core/metrics.ts';
import type { ModelClass } from '../core/schemas/model-class.ts';
import type { Tracing } from '../core/tracing.ts';
import type { Balancer } from '../servers/balancer.ts';
import { createAttemptMetrics } from '../workers/attempt-metrics.ts';
import { createJobMover } from '../workers/job-mover.ts';
import { addPoolMetrics } from '../workers/pool-metrics.ts';
import { createRetryBudget } from '../workers/retry-budget.ts';
import { createWorkerPool, type WorkerPool } from '../workers/worker-pool.ts';
import type { ModelSide } from './model-side.ts';
import type { Queues } from './stores.ts';

interface PoolSideDeps {
  classes: readonly ModelClass[];
  config: Config;
  logger: Logger;
  queues: Queues;
  models: ModelSide;
  balancer: Balancer;
  life: Lifecycle;
  metrics: Metrics;
  tracing: Tracing;
}

/** Runs jobs of these classes. */
export function startPools({
  config,
  classes,
  logger,
  queues,
  models,
  balancer,
  life,
  metrics,
  tracing,
}: PoolSideDeps): WorkerPool[] {
  const { client } = models;
  const retryBudget = createRetryBudget({
    share: config.limits.retryBudget,
    floor: config.limits.retryFloorPer10s,
  });
  const attemptMetrics = createAttemptMetrics(metrics);
  const byClass = classes.map((modelClass) => {
    const pool = createWorkerPool({
      modelClass,
      queues,
      balancer,
      client,
      // Read at each call, since some of it can change while the process runs.
      times: config.limits,
      attemptsMax: config.limits.attempts,
      retryBudget,
      concurrency: config.classes[modelClass].concurrency,
      logger,
      metrics: attemptMetrics,
      tracing,
    });
    pool.start();
    // A worker whose store is closed under it spins.
    life.defer('workers', () => pool.stop(0));
    return [modelClass, pool] as const;
  });
  const pools = byClass.map(([, pool]) => pool);
  addPoolMetrics(metrics, new Map(byClass));
  if (pools.length > 0) {
    const mover = createJobMover({ bus: queues.bus, pools });
    life.defer('job mover', () => mover.close());
  }
  return pools;
}
