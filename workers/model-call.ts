import { BackendFailure } from '../core/backend-failure.ts';
import type { JobId } from '../core/ids.ts';
import type { StreamEvent } from '../core/stream-event.ts';
import type { TraceContext } from '../core/trace-context.ts';
import type { ModelJob } from '../jobs/model-job.ts';
import type { CallLimits, ModelAnswer, ModelClient } from '../servers/model-client.ts';
import type { Slot } from '../servers/slot.ts';
import { type HeadFallback, headOf, withHead } from './answer-head.ts';
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
  /** Sent to the server. */
  trace?: TraceContext | undefined;
  /** Hears of the first token, and sends a stream's chunks on; `started` once, before them. */
  sink: { answered(): void; started(): void; chunks(data: string[]): void; progress(data: string[]): void };
}

export interface CallResult {
  /** The whole answer; null when it went out as chunks. */
  body: string | null;
  usage: unknown;
  /** As the server names it. */
  model?: string;
}

const ANSWER_BYTES_MAX = 64_000_000;

const FORMATS = {
  'chat/completions': {
    wholeObject: 'chat.completion',
    chunkObject: 'chat.completion.chunk',
    createWhole: createWholeChat,
  },
  completions: {
    wholeObject: 'text_completion',
    chunkObject: 'text_completion',
    createWhole: createWholeCompletion,
  },
} as const;
type Format = (typeof FORMATS)[keyof typeof FORMATS];

/**
 * Calls the slot's server once and passes its answer on as the caller asked for it. Throws BackendFailure, or the
 * signal's reason.
 */
export async function callServer(options: ModelCallOptions, signal: AbortSignal): Promise<CallResult> {
  const { job } = options;
  const answer = await openAnswer(options, signal);
  options.slot.answered();
  options.sink.answered();
  if (job.endpoint === 'embeddings') {
    if (answer.kind !== 'json')
      throw new BackendFailure('malformed', 'The model server streamed embeddings.');
    return toEmbeddingsAnswer(answer.text, job.body);
  }
  const format = FORMATS[job.endpoint];
  return job.stream ? await passStream(options, format, answer) : await readWhole(options, format, answer);
}

async function openAnswer(options: ModelCallOptions, signal: AbortSignal): Promise<ModelAnswer> {
  const { client, slot, job } = options;
  const { loads } = slot;
  const call = {
    server: slot.server.address,
    path: `/${job.endpoint}`,
    body: toUpstreamBody(job),
    idempotencyKey: job.idempotencyKey,
    trace: options.trace,
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

async function passStream(
  options: ModelCallOptions,
  { chunkObject: object }: Format,
  answer: ModelAnswer,
): Promise<CallResult> {
  const { job, sink } = options;
  const shape = createStreamShape({ object, fallback: toFallback(options), includeUsage: job.includeUsage });
  let started = false;
  for await (const events of readEvents(answer, object)) {
    const data = shape.shape(events);
    if (data.length === 0) continue;
    if (!started) sink.started();
    started = true;
    sink.chunks(data);
  }
  shape.finish();
  return { body: null, usage: shape.usage(), model: shape.model() };
}

async function readWhole(
  options: ModelCallOptions,
  { wholeObject, chunkObject, createWhole }: Format,
  answer: ModelAnswer,
): Promise<CallResult> {
  const fallback = toFallback(options);
  if (answer.kind === 'json') {
    const document = parseWhole(answer.text);
    const body = withHead(answer.text, document, wholeObject, fallback);
    return { body, usage: document.usage, model: headOf(document, fallback).model };
  }
  const whole = createWhole();
  const piecesOf = createPieces(options, { object: chunkObject, fallback });
  for await (const events of answer.events) {
    for (const event of events) whole.add(event);
    const pieces = piecesOf(events);
    if (pieces.length > 0) options.sink.progress(pieces);
  }
  const document = whole.finish();
  const head = headOf(document, fallback);
  return { body: JSON.stringify({ ...document, ...head }), usage: document.usage, model: head.model };
}

type Pieces = (events: readonly StreamEvent[]) => string[];

function createPieces(
  { job: { progress, includeUsage } }: ModelCallOptions,
  options: Pick<Parameters<typeof createStreamShape>[0], 'object' | 'fallback'>,
): Pieces {
  if (progress === 'chunks') return createStreamShape({ ...options, includeUsage }).shape;
  if (progress !== 'text') return () => [];
  return (events) => {
    const text = events.map(textOf).join('');
    return text === '' ? [] : [text];
  };
}

function textOf({ value, token }: StreamEvent): string {
  if (token) return TEXT_FIELDS.has(token.field) ? token.text : '';
  const [choice] = (value as { choices?: { text?: unknown; delta?: { content?: unknown } }[] }).choices ?? [];
  const text = choice?.delta?.content ?? choice?.text;
  return typeof text === 'string' ? text : '';
}

const TEXT_FIELDS = new Set(['content', 'text']);

function toFallback({ jobId, job }: ModelCallOptions): HeadFallback {
  return { id: jobId, model: job.model, createdSeconds: Math.floor(Date.now() / 1000) };
}

async function* readEvents(answer: ModelAnswer, object: Format['chunkObject']): AsyncIterable<StreamEvent[]> {
  if (answer.kind === 'stream') {
    yield* answer.events;
    return;
  }
  yield toStreamEvents(parseWhole(answer.text), object);
}

function parseWhole(text: string): Parameters<typeof headOf>[0] & { usage?: unknown } {
  const document: ReturnType<typeof parseWhole> & { choices?: unknown } = JSON.parse(text);
  if (!Array.isArray(document.choices) || document.choices.length === 0) {
    throw new BackendFailure('malformed', 'The model server answered without a choice.');
  }
  return document;
}

function rejectOnAbort(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}
