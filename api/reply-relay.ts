import type { TokenEstimate } from '../access/token-estimate.ts';
import type { AppError } from '../core/errors.ts';
import type { JobId } from '../core/ids.ts';
import { createCallMeter } from '../jobs/call-meter.ts';
import type { Ledger } from '../jobs/ledger.ts';
import type { LedgerEntry } from '../jobs/ledger-store.ts';
import type { ModelJob } from '../jobs/model-job.ts';
import type { DispatchEnd, ReplyListener } from '../jobs/waiter.ts';
import type { ModelReply } from './replies/model-reply.ts';
import type { RequestContext } from './request-context.ts';

interface ReplyRelayOptions {
  id: JobId;
  job: ModelJob;
  reply: ModelReply;
  context: RequestContext;
  ledger: Ledger;
  estimate: () => TokenEstimate;
  /** Told once, at the end, of the tokens that the call counts for. */
  onCharged: (tokens: number) => void;
  /** The client reads too slowly to be served. */
  onUnreadable: () => void;
}

export interface ReplyRelay {
  listener: ReplyListener;
  /** The client has left. False when the request had ended before. */
  leave(): boolean;
  /** The client has left, and the job goes on: its answer is measured and given to nobody. */
  detach(): void;
  /** Ends the answer with `error`. False when the request had ended before. */
  cut(error: AppError): boolean;
}

/** Passes what a job answers on to its client, measures it, and writes its line of the ledger when it ends. */
export function createReplyRelay(options: ReplyRelayOptions): ReplyRelay {
  const { id, job, context, ledger, estimate, onCharged, onUnreadable } = options;
  const { requestId, arrivedMs, arrivedAt } = context;
  const meter = createCallMeter({
    id,
    requestId,
    job,
    arrivedMs,
    arrivedAt,
    ledger,
    estimate,
    isWaited: true,
  });
  let { reply } = options;
  let ended = false;

  const listener: ReplyListener = {
    onQueued(place) {
      // A document has no place for it.
      if (job.stream) reply.queued(place);
    },
    onTaken: meter.taken,
    onStarted(start) {
      meter.started(start);
      const { server, attempts } = start;
      reply.begin({ server, attempts, queuedMs: meter.queuedMs() });
    },
    onChunks(data) {
      meter.pieces(data.length);
      if (!reply.chunks(data)) onUnreadable();
    },
    onEnd(end) {
      ended = true;
      onCharged(meter.end(end.facts, outcomeOf(end)));
      const facts = { ...end.facts, queuedMs: meter.queuedMs() };
      if (end.status === 'done') reply.done(end.body, facts);
      else reply.failed(end.error, facts);
    },
  };

  return {
    listener,
    leave() {
      if (ended) return false;
      ended = true;
      onCharged(meter.end(meter.factsSoFar(), { outcome: 'cancelled', errorCode: 'client_closed' }));
      return true;
    },
    detach() {
      reply = NOBODY;
    },
    cut(error) {
      if (ended) return false;
      listener.onEnd({ status: 'failed', error, facts: meter.factsSoFar() });
      return true;
    },
  };
}

const NOBODY: ModelReply = { queued() {}, begin() {}, chunks: () => true, done() {}, failed() {} };

function outcomeOf(end: DispatchEnd): Pick<LedgerEntry, 'outcome' | 'errorCode'> {
  if (end.status === 'done') return { outcome: 'succeeded', errorCode: null };
  return { outcome: 'failed', errorCode: end.error.code };
}
