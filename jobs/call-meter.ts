import type { JobId, RequestId } from '../core/ids.ts';
import type { Ledger } from './ledger.ts';
import type { LedgerEntry } from './ledger-store.ts';
import type { ModelJob } from './model-job.ts';
import type { AnswerFacts } from './reply-bus.ts';
import { createTokenClock } from './token-gaps.ts';

interface CallMeterOptions {
  id: JobId;
  requestId: RequestId;
  job: ModelJob;
  /** When it was asked for, on the monotonic clock (ms). */
  arrivedMs: number;
  arrivedAt: Date;
  ledger: Pick<Ledger, 'record'>;
  /** What it will probably use, in tokens. */
  estimate: () => { prompt: number; completion: number };
  /** Its caller waits for it. */
  isWaited: boolean;
  /** Of the run that it is for. */
  tags?: readonly string[] | undefined;
}

type Outcome = Pick<LedgerEntry, 'outcome' | 'errorCode'>;

/** Measures one call of a model, and writes its line of the ledger when it ends. */
export interface CallMeter {
  taken(): void;
  started(start: { server: string; attempts: number; parkedMs: number }): void;
  /** Pieces of the answer, which are a token each, or a few. */
  pieces(count: number): void;
  /** From its add to a server being called; null when none was. */
  queuedMs(): number | null;
  factsSoFar(): AnswerFacts;
  /** To be called once. Gives the tokens that the call counts for. */
  end(facts: AnswerFacts, outcome: Outcome): number;
}

export function createCallMeter(options: CallMeterOptions): CallMeter {
  const { id, requestId, job, arrivedMs, arrivedAt, ledger, estimate, isWaited, tags = [] } = options;
  let takenMs: number | null = null;
  let parkedMs = 0;
  let firstTokenMs: number | null = null;
  let begun = { server: null as string | null, attempts: 0 };
  let pieces = 0;
  // Only of an answer that comes piece by piece.
  const gaps = job.stream || job.progress !== undefined ? createTokenClock() : undefined;

  return {
    taken() {
      takenMs ??= performance.now() - arrivedMs;
    },
    started(start) {
      firstTokenMs = performance.now() - arrivedMs;
      parkedMs = start.parkedMs;
      begun = { server: start.server, attempts: start.attempts };
    },
    pieces(count) {
      const nowMs = performance.now();
      firstTokenMs ??= nowMs - arrivedMs;
      gaps?.came(count, nowMs);
      pieces += count;
    },
    queuedMs,
    factsSoFar: () => ({ ...begun, parkedMs, promptTokens: null, completionTokens: null }),
    end(facts, outcome) {
      parkedMs = facts.parkedMs;
      const { priority } = job;
      const succeeded = outcome.outcome === 'succeeded';
      if (succeeded) firstTokenMs ??= performance.now() - arrivedMs;
      const chargedTokens = chargeFor(facts, succeeded);
      ledger.record({ ...toEntry(facts, outcome), chargedTokens }, { priority, gaps });
      return chargedTokens;
    },
  };

  // Where no server has told: a call that ended before its answer began is free, one that was cut costs what was seen.
  function chargeFor({ promptTokens, completionTokens }: AnswerFacts, succeeded: boolean): number {
    if (promptTokens !== null || completionTokens !== null)
      return (promptTokens ?? 0) + (completionTokens ?? 0);
    if (pieces > 0) return estimate().prompt + pieces;
    if (!succeeded) return 0;
    const { prompt, completion } = estimate();
    return prompt + completion;
  }

  function queuedMs(): number | null {
    return takenMs === null ? null : takenMs + parkedMs;
  }

  function toEntry(facts: AnswerFacts, outcome: Outcome): Omit<LedgerEntry, 'chargedTokens'> {
    const queued = queuedMs();
    return {
      jobId: id,
      requestId,
      keyName: job.keyName,
      endpoint: job.endpoint,
      model: job.model,
      modelClass: job.modelClass,
      server: facts.server,
      attempts: facts.attempts,
      queuedMs: queued === null ? null : Math.round(queued),
      firstTokenMs: firstTokenMs === null ? null : Math.round(firstTokenMs),
      totalMs: Math.round(performance.now() - arrivedMs),
      promptTokens: facts.promptTokens,
      completionTokens: facts.completionTokens,
      ...outcome,
      tags,
      isWaited,
      createdAt: arrivedAt,
    };
  }
}
