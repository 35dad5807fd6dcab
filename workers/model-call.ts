import { BackendFailure } from '../core/backend-failure.ts';
import type { JobId } from '../core/ids.ts';
import type { ModelJob } from '../jobs/model-job.ts';
import type { Slot } from '../servers/balancer.ts';
import type { CallLimits, ModelAnswer, ModelClient, StreamEvent } from '../servers/model-client.ts';
import { findOnServer } from '../servers/registry.ts';
import { toEmbeddingsAnswer } from './embeddings-answer.ts';
import { createStreamShape, toStreamEvents } from './stream-shape.ts';
import { streamsUpstream, toUpstreamBody } from './upstream-request.ts';
import { createWholeChat, createWholeCompletion } from './whole-answer.ts';

export interface CallTimes {
  connectMs: number;
  firstTokenMs: number;
  loadMs: number;
  idleMs: number;
}

interface ModelCallOptions {
  client: ModelClient;
  slot: Slot;
  jobId: JobId;
  job: ModelJob;
  times: CallTimes;
  /** Sends a stream's chunks on; `started` once, before them. */
  sink: { started(): void; chunks(data: string[]): void };
}

export interface CallResult {
  /** The whole answer; null when it went out as chunks. */
  body: string | null;
  usage: unknown;
}

const ANSWER_BYTES_MAX = 64_000_000;

const CHUNK_OBJECT = {
  'chat/completions': 'chat.completion.chunk',
  completions: 'text_completion',
} as const;

/**
 * Calls the slot's server once and passes its answer on as the caller asked for it. Gives the slot back. Throws
 * BackendFailure, or the signal's reason.
 */
export async function callServer(options: ModelCallOptions, signal: AbortSignal): Promise<CallResult> {
  const { job } = options;
  const answer = await openAnswer(options, signal);
  if (job.endpoint === 'embeddings') {
    if (answer.kind !== 'json')
      throw new BackendFailure('malformed', 'The model server streamed embeddings.');
    return toEmbeddingsAnswer(answer.text, job.body);
  }
  return job.stream ? await passStream(options, answer) : await readWhole(job, answer);
}

async function openAnswer(options: ModelCallOptions, signal: AbortSignal): Promise<ModelAnswer> {
  const { client, slot, job } = options;
  const loads = findOnServer(slot.server, job.model)?.loaded === false;
  const call = {
    server: slot.server.address,
    path: `/${job.endpoint}`,
    body: toUpstreamBody(job),
    limits: toLimits(options, loads),
  };
  if (!loads) return await client.call(call, signal);
  // From here on only the listener below ends the call.
  signal.throwIfAborted();

  // A server that loads a model starts over when its caller leaves: so the load goes on, and only the job ends.
  const leave = new AbortController();
  const opening = client.call(call, leave.signal);
  const stop = () => {
    opening.catch(() => {}).finally(() => leave.abort(signal.reason));
  };
  signal.addEventListener('abort', stop, { once: true });
  return await Promise.race([opening, rejectOnAbort(signal)]);
}

function toLimits({ job, times }: ModelCallOptions, loads: boolean): CallLimits {
  // What is answered as a whole shows its first byte only when all of it is ready.
  const patient = loads || !streamsUpstream(job);
  return {
    connectMs: times.connectMs,
    firstTokenMs: patient ? Math.max(times.loadMs, times.firstTokenMs) : times.firstTokenMs,
    idleMs: times.idleMs,
    answerBytesMax: ANSWER_BYTES_MAX,
  };
}

async function passStream({ jobId, job, sink }: ModelCallOptions, answer: ModelAnswer): Promise<CallResult> {
  const object = CHUNK_OBJECT[job.endpoint as keyof typeof CHUNK_OBJECT];
  const shape = createStreamShape({
    object,
    id: jobId,
    model: job.model,
    createdSeconds: Math.floor(Date.now() / 1000),
    includeUsage: job.includeUsage,
  });
  let started = false;
  for await (const events of readEvents(answer, object)) {
    const data = shape.shape(events);
    if (data.length === 0) continue;
    if (!started) sink.started();
    started = true;
    sink.chunks(data);
  }
  shape.finish();
  return { body: null, usage: shape.usage() };
}

async function readWhole({ endpoint }: ModelJob, answer: ModelAnswer): Promise<CallResult> {
  if (answer.kind === 'json') return checkWhole(answer.text);
  const whole = endpoint === 'chat/completions' ? createWholeChat() : createWholeCompletion();
  for await (const events of answer.events) {
    for (const { value } of events) whole.add(value);
  }
  const document = whole.finish();
  return { body: JSON.stringify(document), usage: document.usage };
}

async function* readEvents(
  answer: ModelAnswer,
  object: Parameters<typeof toStreamEvents>[1],
): AsyncIterable<StreamEvent[]> {
  if (answer.kind === 'stream') {
    yield* answer.events;
    return;
  }
  checkWhole(answer.text);
  yield toStreamEvents(JSON.parse(answer.text), object);
}

function checkWhole(text: string): CallResult {
  const document: { choices?: unknown; usage?: unknown } = JSON.parse(text);
  if (!Array.isArray(document.choices) || document.choices.length === 0) {
    throw new BackendFailure('malformed', 'The model server answered without a choice.');
  }
  return { body: text, usage: document.usage };
}

function rejectOnAbort(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}
