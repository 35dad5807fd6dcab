/** One POST, repeated. */
export interface CallRequest {
  origin: string;
  headers: Record<string, string>;
  body: string;
  /** Content tokens that each stream must bring; undefined: the answer is not a stream. */
  streamTokens?: number;
}

/** Each connection sends its next call when the last one has ended, for a while. */
export interface LoopJob {
  kind: 'loop';
  request: CallRequest;
  connections: number;
  warmUpMs: number;
  windowMs: number;
}

/** Many streams at once, one on each connection, started evenly over `rampMs`. */
export interface BurstJob {
  kind: 'burst';
  request: CallRequest;
  streams: number;
  rampMs: number;
}

export type LoadJob = LoopJob | BurstJob;

/** What went wrong -> how often; empty when nothing did. */
export type Faults = Record<string, number>;

export interface LoopResult {
  calls: number;
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
  /** From the call to its first token; null where the answers are no streams. */
  firstTokenP50Ms: number | null;
  firstTokenP99Ms: number | null;
  faults: Faults;
}

export interface BurstResult {
  tokens: number;
  tokensPerSecond: number;
  /** From each whole stream's call to its first and last token. */
  firstTokenMs: number[];
  lastTokenMs: number[];
  faults: Faults;
}

export type LoadResult<Job extends LoadJob> = Job extends LoopJob ? LoopResult : BurstResult;

/** What the load generator's process answers. */
export type GeneratorReply = { ok: true; result: LoopResult | BurstResult } | { ok: false; message: string };
