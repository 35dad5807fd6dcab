import type { BurstJob, CallRequest, LoopJob } from './load-job.ts';

/** How long and how often to measure. */
export interface Plan {
  rounds: number;
  /** No further round begins that would, by the rounds so far, end later. */
  limitMs: number;
  /** Once for each subject, before the first round: code must be compiled before it is measured. */
  warmUpMs: number;
  loop: { warmUpMs: number; windowMs: number };
  firstToken: { warmUpMs: number; windowMs: number };
  streams: { count: number; rampMs: number; tokens: number };
  /** So often is a new process started, given `startMs` of calls of each kind, and measured in so many rounds. */
  overhead: { starts: number; rounds: number; startMs: number; warmUpMs: number; windowMs: number };
  idleMs: number;
}

export const FULL_PLAN: Plan = {
  rounds: 3,
  limitMs: 470_000,
  warmUpMs: 4_000,
  loop: { warmUpMs: 500, windowMs: 2_500 },
  firstToken: { warmUpMs: 300, windowMs: 4_000 },
  streams: { count: 200, rampMs: 1_000, tokens: 400 },
  overhead: { starts: 3, rounds: 20, startMs: 4_000, warmUpMs: 200, windowMs: 1_200 },
  idleMs: 60_000,
};

export const QUICK_PLAN: Plan = {
  rounds: 1,
  limitMs: 85_000,
  warmUpMs: 1_000,
  loop: { warmUpMs: 300, windowMs: 1_200 },
  firstToken: { warmUpMs: 200, windowMs: 2_500 },
  streams: { count: 200, rampMs: 1_000, tokens: 100 },
  overhead: { starts: 1, rounds: 4, startMs: 4_000, warmUpMs: 200, windowMs: 1_200 },
  idleMs: 20_000,
};

export const CONNECTIONS = [1, 16, 64] as const;
export type Connections = (typeof CONNECTIONS)[number];

const FIRST_TOKEN_CONNECTIONS = 4;
const ANSWER_TOKENS = 60;
const SHORT_STREAM_TOKENS = 10;
export const STREAM_TOKEN_MS = 20;

// The simulated server takes pace and length from the model's name.
const CHAT_MODEL = `sim:tokens=${ANSWER_TOKENS}`;
/** The same by another name, which only one server has where there are many. */
export const LONE_MODEL = `sim:first=0+tokens=${ANSWER_TOKENS}`;
const FIRST_TOKEN_MODEL = `sim:first=20+token=5+tokens=${SHORT_STREAM_TOKENS}`;
const streamModel = ({ streams }: Plan) => `sim:token=${STREAM_TOKEN_MS}+tokens=${streams.tokens}`;

/** Every model that the plan calls. */
export function modelsOf(plan: Plan): string[] {
  return [CHAT_MODEL, LONE_MODEL, FIRST_TOKEN_MODEL, streamModel(plan)];
}

/** Where a subject takes requests, and with which headers of its own. */
export interface Entry {
  origin: string;
  headers: Record<string, string>;
}

export function warmUpJob(entry: Entry, plan: Plan): LoopJob {
  return { ...chatJob(entry, plan, 16), warmUpMs: 0, windowMs: plan.warmUpMs };
}

export function chatJob(entry: Entry, { loop }: Plan, connections: Connections, model = CHAT_MODEL): LoopJob {
  return { kind: 'loop', request: chatRequest(entry, model), connections, ...loop };
}

export function firstTokenJob(entry: Entry, { firstToken }: Plan): LoopJob {
  const request = chatRequest(entry, FIRST_TOKEN_MODEL, SHORT_STREAM_TOKENS);
  return { kind: 'loop', request, connections: FIRST_TOKEN_CONNECTIONS, ...firstToken };
}

export function streamsJob(entry: Entry, plan: Plan): BurstJob {
  const { count, rampMs, tokens } = plan.streams;
  return { kind: 'burst', request: chatRequest(entry, streamModel(plan), tokens), streams: count, rampMs };
}

export function chatRequest({ origin, headers }: Entry, model: string, streamTokens?: number): CallRequest {
  const stream = streamTokens !== undefined;
  const messages = [{ role: 'user', content: 'Tell me about the sea.' }];
  return {
    origin,
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ model, messages, stream }),
    streamTokens,
  };
}
