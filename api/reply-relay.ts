import type { JobId } from '../core/ids.ts';
import type { DispatchEnd, ReplyListener } from '../jobs/dispatcher.ts';
import type { Ledger } from '../jobs/ledger.ts';
import type { LedgerEntry } from '../jobs/ledger-store.ts';
import type { ModelJob } from '../jobs/model-job.ts';
import type { AnswerFacts } from '../jobs/reply-bus.ts';
import type { ModelReply } from './replies/model-reply.ts';
import type { RequestContext } from './request-context.ts';

interface ReplyRelayOptions {
  id: JobId;
  job: ModelJob;
  reply: ModelReply;
  context: RequestContext;
  ledger: Ledger;
  /** The client reads too slowly to be served. */
  onUnreadable: () => void;
}

export interface ReplyRelay {
  listener: ReplyListener;
  /** The client has left. False when the request had ended before. */
  leave(): boolean;
}

/** Passes what a job answers on to its client, measures it, and writes its line of the ledger when it ends. */
export function createReplyRelay({
  id,
  job,
  reply,
  context,
  ledger,
  onUnreadable,
}: ReplyRelayOptions): ReplyRelay {
  const { arrivedMs } = context;
  let takenMs: number | null = null;
  let parkedMs = 0;
  let firstTokenMs: number | null = null;
  let streamFacts = { server: null as string | null, attempts: 0 };
  let ended = false;

  const listener: ReplyListener = {
    onTaken() {
      takenMs ??= performance.now() - arrivedMs;
    },
    onStarted(start) {
      firstTokenMs = performance.now() - arrivedMs;
      parkedMs = start.parkedMs;
      streamFacts = { server: start.server, attempts: start.attempts };
      reply.begin({ ...streamFacts, queuedMs: queuedMs() });
    },
    onChunks(data) {
      if (!reply.chunks(data)) onUnreadable();
    },
    onEnd(end) {
      ended = true;
      parkedMs = end.facts.parkedMs;
      const facts = { ...end.facts, queuedMs: queuedMs() };
      if (end.status === 'done') {
        firstTokenMs ??= performance.now() - arrivedMs;
        reply.done(end.body, facts);
      } else {
        reply.failed(end.error, facts);
      }
      ledger.record(toEntry(end.facts, outcomeOf(end)));
    },
  };

  return {
    listener,
    leave() {
      if (ended) return false;
      ended = true;
      const facts = { ...streamFacts, parkedMs, promptTokens: null, completionTokens: null };
      ledger.record(toEntry(facts, { outcome: 'cancelled', errorCode: 'client_closed' }));
      return true;
    },
  };

  function queuedMs(): number | null {
    return takenMs === null ? null : takenMs + parkedMs;
  }

  function toEntry(facts: AnswerFacts, outcome: Pick<LedgerEntry, 'outcome' | 'errorCode'>): LedgerEntry {
    const queued = queuedMs();
    return {
      jobId: id,
      requestId: context.requestId,
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
      createdAt: context.arrivedAt,
    };
  }
}

function outcomeOf(end: DispatchEnd): Pick<LedgerEntry, 'outcome' | 'errorCode'> {
  if (end.status === 'done') return { outcome: 'succeeded', errorCode: null };
  return { outcome: 'failed', errorCode: end.error.code };
}
