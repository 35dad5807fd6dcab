import { z } from 'zod';
import type { AttemptRecord, RunSummary } from '../workflows/run-record.ts';
import { isEnded } from '../workflows/run-record.ts';

interface TimelineEntry {
  /** RFC 3339. */
  at: string;
  event: string;
  server?: string;
  attempt?: number;
  reason?: string;
  /** Of an attempt: every server that has the model, and why it was chosen or not. */
  candidates?: z.infer<typeof Candidate>[];
}

const Candidate = z.object({ server: z.string(), score: z.number().nullable(), reason: z.string() });

/** What the worker tells of a call, in the order in which it happened. */
const WorkerEntry = z.object({
  at_ms: z.number(),
  event: z.string(),
  server: z.string().nullish(),
  attempt: z.number().nullish(),
  reason: z.string().nullish(),
  candidates: z.array(Candidate).optional(),
});

const Facts = z.object({
  server: z.string().nullable().catch(null),
  queuedMs: z.number().nullable().catch(null),
  timeline: z.array(WorkerEntry).nullable().catch(null),
});

/** How a job went: when it was queued, which servers were called and why, the first token, the end. */
export function toTimeline(job: RunSummary, attempts: readonly AttemptRecord[]): TimelineEntry[] {
  const queued = { at: job.createdAt.toISOString(), event: 'queued' };
  const ended =
    job.endedAt && isEnded(job.status) ? [{ at: job.endedAt.toISOString(), event: endOf(job) }] : [];
  return [queued, ...attempts.flatMap(entriesOf), ...ended];
}

/** The same of a run: each entry of an attempt names its step. */
export function toRunTimeline(run: RunSummary, attempts: readonly AttemptRecord[]): object[] {
  const [queued, ...ended] = toTimeline(run, []);
  const told = attempts.flatMap((record) =>
    entriesOf(record).map(({ at, ...entry }) => ({ at, step: record.key, ...entry })),
  );
  return [queued, ...told, ...ended].filter((entry) => entry !== undefined);
}

const endOf = ({ status }: RunSummary) => (status === 'succeeded' ? 'done' : status);

function entriesOf(record: AttemptRecord): TimelineEntry[] {
  const facts = Facts.safeParse(record.facts).data ?? { server: null, queuedMs: null, timeline: null };
  const started: TimelineEntry = {
    at: record.startedAt.toISOString(),
    event: 'started',
    attempt: record.attempt,
  };
  const failed = record.error ? [failureOf(record, facts.server)] : [];
  // That the worker was done is not the end of the step, which its own entry tells.
  const told = facts.timeline?.filter(({ event }) => event !== 'done').map(toEntry) ?? taken(record, facts);
  return [started, ...told, ...failed];
}

function toEntry({
  at_ms,
  event,
  server,
  attempt,
  reason,
  candidates,
}: z.infer<typeof WorkerEntry>): TimelineEntry {
  return {
    at: new Date(at_ms).toISOString(),
    event,
    ...(server ? { server } : {}),
    ...(attempt ? { attempt } : {}),
    ...(reason ? { reason } : {}),
    ...(candidates ? { candidates } : {}),
  };
}

/** Where the worker has told nothing: the server that was called last. */
function taken(
  { startedAt, attempt }: AttemptRecord,
  { server, queuedMs }: z.infer<typeof Facts>,
): TimelineEntry[] {
  if (server === null) return [];
  const at = new Date(startedAt.getTime() + (queuedMs ?? 0));
  return [{ at: at.toISOString(), event: 'attempt', server, attempt }];
}

function failureOf(record: AttemptRecord, server: string | null): TimelineEntry {
  const at = record.endedAt ?? record.startedAt;
  return {
    at: at.toISOString(),
    event: 'failed',
    ...(server === null ? {} : { server }),
    attempt: record.attempt,
    reason: record.error ? `${record.error.code}: ${record.error.message}` : 'unknown',
  };
}
