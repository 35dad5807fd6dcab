import { AppError } from '../core/errors.ts';
import { failPoint } from '../core/fail-point.ts';
import { newMessageId, newRunId, type RunId } from '../core/ids.ts';
import type { Json } from '../core/json-value.ts';
import { endsWithin, withinLimit } from '../core/time-limit.ts';
import { refuseCancel, refuseEnded, refuseRetry, refuseSignal } from './command-checks.ts';
import { changeSteps, reusableSteps } from './fork.ts';
import { CALL_PLAN, WORKFLOW_JOB_PLAN } from './job-plans.ts';
import { type KnownRun, knownFromNew } from './known-runs.ts';
import type { CallInput, ModelCalls } from './model-calls.ts';
import { newWorkflowRun, type RunTerms } from './new-run.ts';
import type { Plan } from './plan.ts';
import { type Plans, referenceTo } from './plans.ts';
import { createRunModel } from './run-model.ts';
import type { RunSummary } from './run-record.ts';
import type { EngineEvent, StepState } from './run-state.ts';
import type { NewRun, RunStore } from './run-store.ts';
import type {
  CallRequest,
  ForkRequest,
  RunOptions,
  RunResult,
  Runs,
  StartedRun,
  WorkflowJobRequest,
  WorkflowRequest,
} from './runs.ts';
import type { StepRunner } from './step-runner.ts';

interface RunServiceOptions {
  store: RunStore;
  plans: Plans;
  runner: Pick<StepRunner, 'lanes' | 'news' | 'refusal' | 'look'>;
  models: Pick<ModelCalls, 'requireModel'>;
}

const ENDPOINTS: Record<CallRequest['kind'], CallInput['endpoint']> = {
  chat: 'chat/completions',
  completion: 'completions',
  embedding: 'embeddings',
  rag_query: 'rag/query',
};

/** A caller is told within this time that the store is away. */
const ANSWER_LIMIT_MS = 5_000;
const RESULT_POLL_MS = 1_000;

export function createRunService({ store, plans, runner, models }: RunServiceOptions): Runs {
  return {
    async start(request) {
      const plan = await planOf(request);
      return await begin(plan, newWorkflowRun(plan, request.input, termsOf('run', request)), request);
    },
    submit: (request) => (request.kind === 'workflow' ? submitWorkflow(request) : submitCall(request)),
    async replay(keyName, idempotency) {
      const earlier = await findEarlier({ keyName, idempotency });
      return earlier?.run ?? null;
    },
    get: (id) => store.record(id),
    summary: (id) => store.summary(id),
    list: (query) => store.list(query),
    events: (id, afterSeq, max) => store.events(id, afterSeq, max),
    attempts: (id) => store.attempts(id),
    result,
    cancel: (id) => command(id, { type: 'cancel' }, refuseCancel),
    pause: (id) => command(id, { type: 'pause' }, refuseEnded),
    resume: (id) => command(id, { type: 'resume' }, refuseEnded),
    retry: (id) => command(id, { type: 'retry' }, refuseRetry),
    signal(id, name, payload) {
      const event = { type: 'signal', id: newMessageId(), name, payload } as const;
      return command(id, event, (run) => {
        refuseSignal(run, name);
        failPoint('signal.apply');
      });
    },
    fork,
    watch: (id, watcher) => runner.news.watch(id, watcher),
  };

  async function planOf({ workflow }: WorkflowRequest): Promise<Plan> {
    return typeof workflow === 'string'
      ? await plans.byName(workflow)
      : await plans.save(workflow.definition);
  }

  async function submitCall(request: CallRequest): Promise<StartedRun> {
    const body: { model: string } = JSON.parse(request.body);
    models.requireModel(body.model);
    const { kind, seesAll = false, hasPlace = false } = request;
    const input: CallInput = {
      endpoint: ENDPOINTS[kind],
      body: request.body,
      ...(seesAll ? { seesAll } : {}),
      ...(hasPlace ? { hasPlace } : {}),
    };
    const run: NewRun = {
      ...termsOf('job', request),
      kind: 'job',
      workflow: request.kind,
      definitionHash: CALL_PLAN.hash,
      inputText: JSON.stringify(input),
      concurrency: null,
    };
    return await begin(CALL_PLAN, run, request);
  }

  async function submitWorkflow(request: WorkflowJobRequest): Promise<StartedRun> {
    const plan = await planOf(request);
    const terms = termsOf('job', request);
    // Checks the input as that run's would be, and is not used otherwise.
    newWorkflowRun(plan, request.input, terms);
    const input = { workflow: referenceTo(plan), input: request.input };
    const run = {
      ...newWorkflowRun(WORKFLOW_JOB_PLAN, input, terms),
      kind: 'job',
      workflow: 'workflow',
    } as const;
    return await begin(WORKFLOW_JOB_PLAN, run, request);
  }

  async function begin(
    plan: Plan,
    run: NewRun,
    { idempotency, keyName }: RunOptions,
    steps: readonly StepState[] = [],
  ): Promise<StartedRun> {
    const claim = idempotency ? { owner: keyName ?? '', ...idempotency } : null;
    const known = knownFromNew(plan, run, steps);
    // One that waits for others begins when it is admitted.
    const events: EngineEvent[] = run.concurrency ? [] : [{ type: 'start' }];
    failPoint('run.insert.before');
    const unwanted = new AbortController();
    const create = { run, idempotency: claim, steps };
    const making = runner.lanes.create(known, create, { events, signal: unwanted.signal });
    const made = await answer(making, () => unwanted.abort());
    failPoint('run.insert.after');
    if (made) return { run: known.row.summary, replayed: false };
    const earlier = await findEarlier({ idempotency, keyName });
    if (earlier) return { ...earlier, replayed: earlier.run.id !== run.id };
    // The answer to the commit that made it was lost.
    runner.look(run.id);
    return { run: await require(run.id), replayed: false };
  }

  async function findEarlier({ idempotency, keyName }: Pick<RunOptions, 'idempotency' | 'keyName'>) {
    if (!idempotency) return null;
    const found = await store.idempotent({ owner: keyName ?? '', ...idempotency });
    if (!found) return null;
    if (found.bodyHash !== idempotency.bodyHash) {
      throw new AppError('idempotency_mismatch', 'This Idempotency-Key was used with another request.', {
        param: 'idempotency-key',
      });
    }
    return { run: await require(found.runId), replayed: true };
  }

  async function result(id: RunId, waitMs: number, signal?: AbortSignal): Promise<RunResult> {
    const untilMs = performance.now() + waitMs;
    const left = new Promise<void>((resolve) =>
      signal?.addEventListener('abort', () => resolve(), { once: true }),
    );
    let hurry: () => void = () => {};
    const unwatch = runner.news.watch(id, {
      onNews(_, hasEnded) {
        if (hasEnded) hurry();
      },
      onDelta() {},
    });
    try {
      for (;;) {
        const news = new Promise<void>((resolve) => {
          hurry = resolve;
        });
        const found = await store.result(id);
        if (!found) throw notFound();
        const leftMs = untilMs - performance.now();
        if (found.ended || leftMs <= 0 || signal?.aborted) return found;
        await endsWithin(Promise.race([news, left]), Math.min(leftMs, RESULT_POLL_MS));
      }
    } finally {
      unwatch();
    }
  }

  async function command(
    id: RunId,
    event: EngineEvent,
    refuse: (run: KnownRun) => void,
  ): Promise<RunSummary> {
    await answer(runner.lanes.command(id, event, refuse));
    return await require(id);
  }

  async function fork(id: RunId, request: ForkRequest, options: RunOptions): Promise<StartedRun> {
    const snapshot = await store.read(id, 0);
    if (!snapshot) throw notFound();
    const { row, steps } = snapshot;
    if (row.summary.kind === 'job') throw new AppError('conflict', 'A job cannot be forked; its run can.');
    const before = await plans.byHash(row.summary.definitionHash);
    const { set = {}, fromStep } = request;
    const plan = set.steps ? await plans.save(changeSteps(before.definition, set.steps)) : before;
    const oldInput: Json = JSON.parse(row.inputText);
    const from = createRunModel(
      before,
      { id, input: oldInput },
      steps.map(({ step }) => step),
    );
    const input = set.input === undefined ? oldInput : set.input;
    const reused = reusableSteps({ plan, input, from, fromStep });
    const run = newWorkflowRun(plan, input, { ...termsOf('run', options), forkedFrom: id });
    return await begin(plan, run, options, reused);
  }

  /** While the store is away or full commits wait; who asked does not. */
  async function answer<T>(work: Promise<T>, onLate: () => void = () => {}): Promise<T> {
    const late = 'no answer of the store';
    try {
      return await withinLimit(work, ANSWER_LIMIT_MS, late);
    } catch (error) {
      if (!(error instanceof Error) || !error.message.startsWith(late)) throw error;
      const refusal = runner.refusal();
      onLate();
      work.catch(() => {});
      if (refusal) throw refusal;
      throw new AppError('store_unavailable', 'The database is out of reach. Try again shortly.', {
        cause: error,
        retryAfterSeconds: 2,
      });
    }
  }

  async function require(id: RunId): Promise<RunSummary> {
    const found = await store.summary(id);
    if (!found) throw notFound();
    return found;
  }
}

function termsOf(kind: 'run' | 'job', options: RunOptions): RunTerms {
  const { webhook, weight = 1, priority = 'normal', deadlineMs = null, tags = [], metadata = null } = options;
  return {
    id: newRunId(kind),
    keyName: options.keyName,
    weight,
    priority,
    deadlineMs,
    webhook: webhook
      ? { url: webhook.url, events: webhook.events ?? null, secret: webhook.secret ?? null }
      : null,
    tags,
    metadata,
    parent: null,
    rootId: null,
    depth: 0,
    forkedFrom: null,
  };
}

const notFound = () => new AppError('not_found', 'There is no such run.');
