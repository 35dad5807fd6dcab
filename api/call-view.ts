import { ERRORS, type ErrorBody } from '../core/errors.ts';
import type { EndedCall } from '../jobs/call-store.ts';
import { ENDPOINT_OF, jobPath } from './job-view.ts';

/** A call whose caller waited for it, in a job's shape: of what was said, the ledger knows nothing. */
export function toCallSummaryView(call: EndedCall) {
  const { jobId: id, createdAt, queuedMs, totalMs } = call;
  return {
    id,
    object: 'job' as const,
    mode: 'interactive' as const,
    kind: kindOf(call),
    class: call.modelClass,
    model: call.model,
    status: call.outcome,
    priority: null,
    key_name: call.keyName,
    metadata: null,
    error: errorOf(call),
    tokens: (call.promptTokens ?? 0) + (call.completionTokens ?? 0),
    created_at: createdAt.toISOString(),
    started_at: queuedMs === null ? null : laterThan(createdAt, queuedMs),
    finished_at: laterThan(createdAt, totalMs),
    deadline_at: null,
    links: { self: jobPath(id) },
  };
}

export function toCallView(call: EndedCall) {
  return { ...toCallSummaryView(call), result: null, timeline: timelineOf(call) };
}

function kindOf({ endpoint }: EndedCall) {
  const kinds = Object.keys(ENDPOINT_OF) as (keyof typeof ENDPOINT_OF)[];
  return kinds.find((kind) => ENDPOINT_OF[kind] === endpoint) ?? 'chat';
}

function timelineOf({ createdAt, queuedMs, firstTokenMs, totalMs, outcome, ...call }: EndedCall): object[] {
  const { server, attempts, errorCode } = call;
  const attempt = attempts > 0 ? { attempt: attempts } : {};
  const entries = [
    { atMs: 0, event: 'queued' },
    server !== null && { atMs: queuedMs, event: 'attempt', server, ...attempt },
    { atMs: firstTokenMs, event: 'first_token' },
    {
      atMs: totalMs,
      event: outcome === 'succeeded' ? 'done' : outcome,
      ...(errorCode === null ? {} : { reason: errorCode }),
    },
  ];
  return entries.flatMap((entry) => {
    if (!entry || entry.atMs === null) return [];
    const { atMs, ...rest } = entry;
    return [{ at: laterThan(createdAt, atMs), ...rest }];
  });
}

function errorOf({ outcome, errorCode: code }: EndedCall): ErrorBody['error'] | null {
  if (outcome !== 'failed' || code === null) return null;
  const type = code in ERRORS ? ERRORS[code as keyof typeof ERRORS].type : 'server_error';
  return { message: 'Its caller was told more; the ledger keeps the code.', type, param: null, code };
}

const laterThan = (time: Date, ms: number) => new Date(time.getTime() + ms).toISOString();
