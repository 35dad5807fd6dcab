import { estimateTokens } from '../access/token-estimate.ts';
import { toIngestSummary } from '../api/rag-view.ts';
import type { Config } from '../core/config.ts';
import { AppError } from '../core/errors.ts';
import { armFailPoints } from '../core/fail-point.ts';
import type { Lifecycle } from '../core/lifecycle.ts';
import type { Logger } from '../core/logger.ts';
import type { Metrics } from '../core/metrics.ts';
import type { Tracing } from '../core/tracing.ts';
import { createModelCalls } from '../jobs/model-calls.ts';
import { createHttpCalls } from '../outbound/http-calls.ts';
import { createOutboundGuard } from '../outbound/outbound-guard.ts';
import { createWebhookSender } from '../outbound/webhook-sender.ts';
import type { Registry } from '../servers/registry.ts';
import { requireModel } from '../servers/require-model.ts';
import { createPostgresDefinitionStore } from '../storage/postgres-definition-store.ts';
import { createPostgresRetentionStore } from '../storage/postgres-retention-store.ts';
import { createPostgresRunStore } from '../storage/postgres-run-store.ts';
import { createPostgresScheduleStore } from '../storage/postgres-schedule-store.ts';
import { createPostgresWebhookOutbox } from '../storage/postgres-webhook-outbox.ts';
import { createDefinitions, type Definitions } from '../workflows/definitions.ts';
import { createDoorbell } from '../workflows/doorbell.ts';
import { turnFencingOff } from '../workflows/fencing.ts';
import { limitOutputs } from '../workflows/output-limit.ts';
import { createPlans } from '../workflows/plans.ts';
import { createRelay } from '../workflows/relay.ts';
import { createRetention } from '../workflows/retention.ts';
import { createRunInspection, type RunInspection } from '../workflows/run-inspection.ts';
import { createRunMetrics } from '../workflows/run-metrics.ts';
import { createRunService } from '../workflows/run-service.ts';
import type { Runs } from '../workflows/runs.ts';
import { createSchedules, type Schedules } from '../workflows/schedules.ts';
import { createStepRunner } from '../workflows/step-runner.ts';
import { createHttpStep } from '../workflows/steps/http-step.ts';
import { createIngestStep } from '../workflows/steps/ingest-step.ts';
import { createCallStep, createChatStep, createEmbedStep } from '../workflows/steps/model-step.ts';
import { createRetrieveStep } from '../workflows/steps/retrieve-step.ts';
import { createWebhookDelivery } from '../workflows/webhook-delivery.ts';
import type { CallSide } from './call-side.ts';
import { type IngestSide, openIngestSide } from './ingest-side.ts';
import type { KeySide } from './key-side.ts';
import { openRagSearch, type RagSearch } from './rag-search-side.ts';
import type { DatabaseWait } from './store-wait.ts';
import type { Queues, Store } from './stores.ts';

interface WorkSideDeps {
  config: Config;
  store: Store;
  queues: Queues;
  registry: Registry;
  calls: CallSide;
  keys: KeySide;
  life: Lifecycle;
  logger: Logger;
  metrics: Metrics;
  tracing: Tracing;
  waitFor: DatabaseWait;
}

/** Accepted work: every process that has the store takes it, runs its steps and looks after it. */
export interface WorkSide {
  runs: Runs;
  definitions: Definitions;
  schedules: Schedules;
  rag: RagSearch;
  ingest: IngestSide;
  inspection: RunInspection;
  /** Begins nothing more, lets running steps end for up to `graceMs`, and hands the rest back. */
  stop(graceMs: number): Promise<void>;
}

export async function openWorkSide(deps: WorkSideDeps): Promise<WorkSide> {
  const { config, queues, life, logger } = deps;
  armFailPoints(config.failPoints);
  life.defer('limit of outputs', limitOutputs(config.limits.outputBytes));
  if (config.isTrialWithoutFencing) life.defer('fencing', turnFencingOff());
  const store = createPostgresRunStore(deps.store);
  const definitionStore = createPostgresDefinitionStore(deps.store);
  const plans = createPlans({ store: definitionStore });
  const models = openModelCalls(deps);
  const { keyHolders: holders } = deps.keys;
  const rag = await openRagSearch({ config, store: deps.store, models, holders, waitFor: deps.waitFor });
  const ingest = await openIngestSide({
    config,
    store: deps.store,
    bus: queues.bus,
    rag,
    life,
    logger,
    metrics: deps.metrics,
  });
  const runner = createStepRunner({
    store,
    plans,
    executors: {
      chat: createChatStep(models),
      embed: createEmbedStep(models),
      call: createCallStep(models, rag.answering),
      retrieve: createRetrieveStep(rag.retrieval),
      ingest: createIngestStep(ingest.intake),
      http: createHttpStep(createHttpCalls(config.networks.outbound)),
    },
    bus: queues.bus,
    doorbell: createDoorbell(queues.runs),
    logger,
    stepsMax: config.limits.stepsAtOnce,
    metrics: createRunMetrics(deps.metrics),
    tracing: deps.tracing,
  });
  const runs = createRunService({ store, plans, runner, models });
  const definitions = createDefinitions({ store: definitionStore, plans });
  const schedules = createSchedules({
    store: createPostgresScheduleStore(deps.store),
    whyEnded: deps.keys.keyHolders.whyEnded,
    ...{ runs, definitions, logger },
  });
  const webhooks = openWebhooks(deps, { runs, ingest });
  const { runsDays, eventsDays, ledgerDays } = config.retention;
  const retention = createRetention({
    store: createPostgresRetentionStore(deps.store),
    days: { runs: runsDays, events: eventsDays, ledger: ledgerDays },
    now: () => performance.now(),
  });
  const chores = [schedules.tick, async () => webhooks.kick(), retention];
  const relay = createRelay({ store, runner, chores, logger });
  const stop = async (graceMs: number) => {
    await relay.stop();
    await Promise.all([runner.stop(graceMs), ingest.stop(graceMs)]);
  };
  life.defer('runs', () => stop(0));
  // Its directory is locked: who held leases is gone.
  if (deps.store.kind === 'pglite') await store.lapseAll();
  runner.start();
  relay.start();
  return {
    runs,
    definitions,
    schedules,
    rag,
    ingest,
    inspection: createRunInspection({ store, plans }),
    stop,
  };
}

function openWebhooks(
  { config, store, logger }: WorkSideDeps,
  { runs, ingest }: { runs: Runs; ingest: IngestSide },
) {
  return createWebhookDelivery({
    outbox: createPostgresWebhookOutbox(store),
    runs,
    describeIngest: async (id) => {
      const job = await ingest.ingests.job(id);
      return job && toIngestSummary(job);
    },
    send: createWebhookSender(createOutboundGuard(config.networks.outbound)),
    secret: config.webhookSecret,
    now: Date.now,
    random: Math.random,
    logger,
  });
}

function openModelCalls({ queues, registry, calls, keys }: WorkSideDeps) {
  const { dispatcher, admission, ledger, aliases } = calls;
  return createModelCalls({
    dispatcher,
    admission,
    ledger,
    bus: queues.bus,
    requireModel(asked) {
      // Just started, or every server is gone: that a model is not known says nothing then.
      if (registry.servers().length === 0) {
        throw new AppError('no_healthy_server', 'No model server is known now.', { retryAfterSeconds: 5 });
      }
      const { name, model } = requireModel(registry, aliases, asked);
      return { name, modelClass: model.modelClass, names: [asked, name, model.id] };
    },
    enter: (keyName, call) => keys.keyGate.enterStep(keys.keyHolders.holderOf(keyName), call),
    estimate: estimateTokens,
  });
}
