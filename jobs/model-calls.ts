import type { KeyGate, KeyPass } from '../access/key-gate.ts';
import { AppError } from '../core/errors.ts';
import { newJobId, newRequestId } from '../core/ids.ts';
import type { Json } from '../core/json-value.ts';
import { parseRequest } from '../core/parse-request.ts';
import type { ModelClass } from '../core/schemas/model-class.ts';
import type { ModelCallEnd, ModelCallRequest, ModelCalls } from '../workflows/model-calls.ts';
import type { Admission } from './admission.ts';
import { type CallMeter, createCallMeter } from './call-meter.ts';
import type { Dispatcher } from './dispatcher.ts';
import type { Ledger } from './ledger.ts';
import { CHAT, COMPLETIONS, EMBEDDINGS } from './model-endpoints.ts';
import type { ModelJob } from './model-job.ts';
import type { ReplyBus } from './reply-bus.ts';
import type { DispatchEnd } from './waiter.ts';

type SizedBody = Parameters<ModelCallsOptions['estimate']>[0] & { model: string };

type EnteredCall = Parameters<KeyGate['enterStep']>[1];

interface ModelCallsOptions {
  dispatcher: Pick<Dispatcher, 'dispatch' | 'cancel'>;
  admission: Pick<Admission, 'tagFor'>;
  ledger: Pick<Ledger, 'record'>;
  bus: Pick<ReplyBus, 'inbox'>;
  /** Throws AppError `model_not_found`. */
  requireModel(name: string): { name: string; modelClass: ModelClass; names: readonly string[] };
  /** Holds the call to its key's limits. Throws AppError `forbidden`, `rate_limit_exceeded`, `store_unavailable`. */
  enter(keyName: string, call: EnteredCall): KeyPass | Promise<KeyPass> | null;
  /** Tokens that a request will probably use. */
  estimate(request: object): { prompt: number; completion: number };
}

/** Accepted work waits for its turn, and for a server, as long as a request may take; then its run decides. */
const MAX_WAIT_MS = 86_400_000;

const TRAITS = {
  'chat/completions': (body) => CHAT.traits({ ...parseRequest(CHAT.schema, body), stream: false }),
  completions: (body) => COMPLETIONS.traits({ ...parseRequest(COMPLETIONS.schema, body), stream: false }),
  embeddings: (body) => EMBEDDINGS.traits(parseRequest(EMBEDDINGS.schema, body)),
} as const satisfies Record<ModelJob['endpoint'], (body: object) => Partial<ModelJob>>;

/** The model calls of runs as ordinary jobs: the same queues, workers, servers and ledger as interactive ones. */
export function createModelCalls(options: ModelCallsOptions): ModelCalls {
  return {
    requireModel: options.requireModel,
    async call(request, signal) {
      signal.throwIfAborted();
      const body: SizedBody = JSON.parse(request.body);
      const traits = TRAITS[request.endpoint](body);
      const { name, modelClass, names } = options.requireModel(body.model);
      const job: ModelJob = {
        requestId: newRequestId(),
        keyName: request.keyName,
        endpoint: request.endpoint,
        model: name,
        ...(name === body.model ? {} : { alias: body.model }),
        modelClass,
        priority: request.priority,
        maxWaitMs: request.waitsForServer === false ? null : MAX_WAIT_MS,
        ...traits,
        explain: true,
        progress: request.pieces ?? undefined,
        idempotencyKey: request.idempotencyKey,
        trace: request.trace,
        replyTo: options.bus.inbox,
        body: request.body,
      };
      const { keyName, isCharged, takesPlace } = request;
      const estimate = options.estimate(body);
      const pass =
        (isCharged && !takesPlace) || keyName === null
          ? null
          : await options.enter(keyName, {
              // What was accepted may call it, whatever its key may since.
              models: isCharged ? null : names,
              estimate: () => estimate,
              isCharged,
              placeSignal: takesPlace ? signal : null,
            });
      if (signal.aborted) pass?.cancel();
      signal.throwIfAborted();
      return await dispatch(options, { job, request, estimate, pass }, signal);
    },
  };
}

interface Call {
  job: ModelJob;
  request: ModelCallRequest;
  estimate: ReturnType<ModelCallsOptions['estimate']>;
  /** What it holds of its key's limits. */
  pass: KeyPass | null;
}

function dispatch(
  { dispatcher, admission, ledger }: ModelCallsOptions,
  { job, request, estimate, pass }: Call,
  signal: AbortSignal,
): Promise<ModelCallEnd> {
  const id = newJobId();
  const meter = createCallMeter({
    id,
    requestId: job.requestId,
    job,
    arrivedMs: performance.now(),
    arrivedAt: new Date(),
    ledger,
    estimate: () => estimate,
    isWaited: false,
    tags: request.tags,
  });
  const turn = {
    keyName: job.keyName,
    weight: request.weight,
    priority: job.priority,
    tokens: estimate.prompt + estimate.completion,
  };
  return new Promise((resolve, reject) => {
    const stop = () => {
      dispatcher.cancel(id);
      const used = meter.end(meter.factsSoFar(), { outcome: 'cancelled', errorCode: 'client_closed' });
      pass?.settle(used);
      reject(signal.reason);
    };
    signal.addEventListener('abort', stop, { once: true });
    dispatcher.dispatch(id, job, admission.tagFor(job.modelClass, turn), {
      onQueued() {},
      onTaken: meter.taken,
      onStarted() {},
      onChunks() {},
      onProgress(part, pieces) {
        meter.pieces(pieces.length);
        request.onPieces(part, pieces);
      },
      onEnd(end) {
        signal.removeEventListener('abort', stop);
        const ended = toEnd(end, { id, job, meter });
        pass?.settle(ended.tokens);
        resolve(ended);
      },
    });
  });
}

function toEnd(
  end: DispatchEnd,
  { id, job, meter }: { id: string; job: ModelJob; meter: CallMeter },
): ModelCallEnd {
  const succeeded = end.status === 'done';
  const tokens = meter.end(end.facts, {
    outcome: succeeded ? 'succeeded' : 'failed',
    errorCode: succeeded ? null : end.error.code,
  });
  const facts = {
    jobId: id,
    model: job.model,
    modelClass: job.modelClass,
    server: end.facts.server,
    calls: end.facts.attempts,
    queuedMs: meter.queuedMs(),
    timeline: (end.facts.timeline ?? null) as unknown as Json,
  };
  if (!succeeded)
    return { status: 'failed', error: end.isLost ? answerLost(end.error) : end.error, tokens, facts };
  if (end.body !== null) return { status: 'answered', body: end.body, tokens, facts };
  return { status: 'failed', error: new AppError('internal', 'The answer was lost.'), tokens, facts };
}

/** The queue's store has lost it, or a part of it: not the model's fault, and no attempt of the step's is used up. */
function answerLost(cause: AppError): AppError {
  return new AppError('store_unavailable', 'The answer was lost on its way from the worker.', { cause });
}
