import { BackendFailure } from '../core/backend-failure.ts';
import type { Slot } from '../servers/slot.ts';
import type { SlotRequest } from '../servers/slot-choice.ts';
import { itemsToSplit, joinEmbeddings, partsMaxOf, splitEmbeddings } from './embeddings-split.ts';
import { type AttemptsEnd, type AttemptsOptions, tryServers } from './job-attempts.ts';

export interface SplitOptions {
  /** A slot that is free at once; null where there is none. */
  acquireFree(request: SlotRequest): Slot | null;
}

const PART_FAILED = new Error('another part of the request has failed');

/**
 * Has several servers answer a large request for embeddings together, each a part of it. A part that fails is called for
 * again by itself. Null where the request is small, or no two servers have room for it now. Throws the signal's reason
 * when it aborts, and what is a fault of ours.
 */
export async function trySplit(
  options: AttemptsOptions & SplitOptions,
  signal: AbortSignal,
): Promise<AttemptsEnd | null> {
  const items = itemsToSplit(options.job.body);
  if (!items) return null;
  const slots = takeSlots(options, partsMaxOf(items));
  if (slots.length < 2) {
    for (const slot of slots) slot.release();
    return null;
  }
  const parts = splitEmbeddings(options.job.body, items, slots.length);
  const ends = await runParts(
    options,
    slots.map((firstSlot, part) => ({ firstSlot, body: parts[part]?.body ?? '' })),
    signal,
  );
  return joinEnds(
    ends,
    parts.map(({ size }) => size),
  );
}

/** Of different servers. */
function takeSlots({ job, tag, acquireFree, timeline }: AttemptsOptions & SplitOptions, max: number): Slot[] {
  const { model, modelClass } = job;
  const tried = new Set<string>();
  const slots: Slot[] = [];
  while (slots.length < max) {
    const slot = acquireFree({ model, modelClass, tag, tried, explains: timeline.isWanted });
    if (!slot) break;
    tried.add(slot.server.address.id);
    slots.push(slot);
  }
  return slots;
}

async function runParts(
  options: AttemptsOptions,
  parts: readonly { firstSlot: Slot; body: string }[],
  signal: AbortSignal,
): Promise<AttemptsEnd[]> {
  const over = new AbortController();
  const partSignal = AbortSignal.any([signal, over.signal]);
  const acquire = inTurn(options.acquire);
  const runs = parts.map(async ({ firstSlot, body }) => {
    try {
      const job = { ...options.job, body };
      const end = await tryServers({ ...options, job, firstSlot, acquire }, partSignal);
      if (end.status === 'failed') over.abort(PART_FAILED);
      return end;
    } catch (error) {
      over.abort(PART_FAILED);
      throw error;
    }
  });
  const settled = await Promise.allSettled(runs);
  signal.throwIfAborted();
  const errors = settled.flatMap((run) => (run.status === 'rejected' ? [run.reason] : []));
  const fault = errors.find((error) => error !== PART_FAILED);
  if (fault !== undefined) throw fault;
  return settled.flatMap((run) => (run.status === 'fulfilled' ? [run.value] : []));
}

/** One part at a time waits for a slot: a job is parked once. */
function inTurn(acquire: AttemptsOptions['acquire']): AttemptsOptions['acquire'] {
  let last: Promise<unknown> = Promise.resolve();
  return (request, signal) => {
    const turn = last.then(() => acquire(request, signal));
    last = turn.catch(() => {});
    return turn;
  };
}

function joinEnds(ends: readonly AttemptsEnd[], sizes: readonly number[]): AttemptsEnd {
  const servers = new Set(ends.flatMap(({ server }) => server ?? []));
  const attempts = ends.reduce((sum, end) => sum + end.attempts, 0);
  const made = { server: [...servers].join(',') || null, attempts };
  const failed = ends.find((end) => end.status === 'failed');
  if (failed) return { ...failed, ...made };
  const answers = ends.flatMap((end, part) =>
    end.status === 'answered' ? [{ body: end.result.body ?? '', size: sizes[part] ?? 0 }] : [],
  );
  try {
    return { status: 'answered', result: joinEmbeddings(answers), ...made };
  } catch (error) {
    if (!(error instanceof BackendFailure)) throw error;
    return { status: 'failed', failure: error, ...made };
  }
}
