import type { Config } from '../core/config.ts';
import type { Lifecycle } from '../core/lifecycle.ts';
import type { Logger } from '../core/logger.ts';
import type { Metrics } from '../core/metrics.ts';
import type { ModelClass } from '../core/schemas/model-class.ts';
import type { Tracing } from '../core/tracing.ts';
import { type Admission, createAdmission } from '../jobs/admission.ts';
import { createCallMetrics } from '../jobs/call-metrics.ts';
import { createDispatcher, type Dispatcher } from '../jobs/dispatcher.ts';
import { createLedger, type Ledger } from '../jobs/ledger.ts';
import { createOrderReset } from '../jobs/order-reset.ts';
import { priceIn } from '../jobs/price-list.ts';
import { createQueueMetrics } from '../jobs/queue-metrics.ts';
import { createQueuePauses, type QueuePauses } from '../jobs/queue-pauses.ts';
import { createModelAliases, type ModelAliases } from '../servers/model-aliases.ts';
import { createModelLabel } from '../servers/model-label.ts';
import type { Registry } from '../servers/registry.ts';
import { createPostgresLedgerStore } from '../storage/postgres-ledger-store.ts';
import type { Queues, Store } from './stores.ts';

interface CallSideDeps {
  config: Config;
  store: Store;
  queues: Queues;
  registry: Registry;
  life: Lifecycle;
  logger: Logger;
  metrics: Metrics;
  tracing: Tracing;
}

/** What a process needs that asks for calls of models, for its clients or for its runs. */
export interface CallSide {
  ledger: Ledger;
  admission: Admission;
  dispatcher: Dispatcher;
  aliases: ModelAliases;
  queuePauses: QueuePauses;
}

// A wall clock that is set anew would end every request that waits.
const monotonicNow = () => performance.now();

export function openCallSide(deps: CallSideDeps): CallSide {
  const { config, store, queues, registry, life, logger } = deps;
  const onRecord = createCallMetrics({
    metrics: deps.metrics,
    modelLabel: createModelLabel(registry),
    priceOf: (model) => priceIn(config.prices, model),
  });
  const ledger = createLedger({ store: createPostgresLedgerStore(store), logger, onRecord });
  life.defer('ledger', () => ledger.close());
  const admission = createAdmission({ queueDepth: queueDepths(config), now: monotonicNow });
  const orderReset = createOrderReset(queues, admission);
  life.defer('order reset', () => orderReset.close());
  const { totalMs } = config.limits;
  const queueMetrics = createQueueMetrics(deps.metrics);
  const queuePauses = createQueuePauses(queues);
  life.defer('queue pauses', () => queuePauses.close());
  const dispatcher = createDispatcher({
    ...{ queues, admission, totalMs },
    onAdded: queueMetrics.added,
    isPaused: queuePauses.isPaused,
    now: monotonicNow,
    tracing: deps.tracing,
  });
  life.defer('dispatcher', () => dispatcher.close());
  queueMetrics.watch({ queues, admission, dispatcher, ledger });
  const aliases = createModelAliases(registry, config.aliases);
  return { ledger, admission, dispatcher, aliases, queuePauses };
}

function queueDepths({ classes }: Config): Record<ModelClass, number> {
  // Read at each call, since it can change while the process runs.
  return {
    get lightweight() {
      return classes.lightweight.queueDepth;
    },
    get heavyweight() {
      return classes.heavyweight.queueDepth;
    },
    get embedding() {
      return classes.embedding.queueDepth;
    },
  };
}
