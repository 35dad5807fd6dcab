import type { Request, Response } from 'express';
import type { KeyRing } from '../access/key-ring.ts';
import type { RunId } from '../core/ids.ts';
import { isEnded, type RunEvent, type RunSummary } from '../workflows/run-record.ts';
import type { RunDelta, Runs } from '../workflows/runs.ts';
import { readLastEventId } from './last-event-id.ts';
import { orNothing } from './or-nothing.ts';
import { type EventStream, openEventStream } from './replies/event-stream.ts';
import { contextOf } from './request-context.ts';

export interface RunEventsDeps {
  runs: Pick<Runs, 'events' | 'summary' | 'watch'>;
  /** Whether this process is about to end: then its clients go to another. */
  isLeaving(): boolean;
  keyRing: Pick<KeyRing, 'onRevoked'>;
}

const PAGE = 200;
/** How long to wait for news: what the bus has lost is then read from the store. */
const POLL_MS = 1_000;
const GONE_AFTER_MS = 3_600_000;

/**
 * Sends a run's events as they happen, those after the client's `Last-Event-ID`, and ends after the last. Durable events
 * come from the store, so that any process can send them; what models say comes between them, without an id.
 */
export async function sendRunEvents(
  { runs, isLeaving, keyRing }: RunEventsDeps,
  { req, res, run }: { req: Request; res: Response; run: RunSummary },
): Promise<void> {
  let seq = readLastEventId(req);
  const news = createBell();
  const stream = openEventStream(res, news.ring);
  if (req.method === 'HEAD') return stream.end();
  const forgetRevoked = keyRing.onRevoked(contextOf(res).principal.limits?.keyId, stream.cut);

  let unwatch: (() => void) | undefined;
  try {
    while (stream.isOpen) {
      const more = await sendEvents();
      if (more) continue;
      // Not before: what a step says should not come before the event of its start.
      unwatch ??= watch(runs, run.id, stream, news.ring);
      if ((await hasNoMore()) || isLeaving()) break;
      await news.wait(POLL_MS);
    }
  } finally {
    forgetRevoked();
    unwatch?.();
    stream.end();
  }

  /** Whether there may be more at once. */
  async function sendEvents(): Promise<boolean> {
    const events = await orNothing(runs.events(run.id, seq, PAGE), []);
    for (const event of events) {
      stream.send({ id: event.seq, type: typeOf(event, run), data: toData(event) });
      seq = event.seq;
    }
    await stream.ready();
    return events.length > 0;
  }

  async function hasNoMore(): Promise<boolean> {
    const now = await orNothing(runs.summary(run.id), run);
    return now === null || (isEnded(now.status) && (now.lastSeq <= seq || areGone(now)));
  }
}

/** Old events are deleted before their run: what is not there long after its end does not come. */
function areGone({ endedAt }: RunSummary): boolean {
  return endedAt !== null && Date.now() - endedAt.getTime() > GONE_AFTER_MS;
}

function watch(runs: Pick<Runs, 'watch'>, id: RunId, stream: EventStream, onNews: () => void): () => void {
  return runs.watch(id, {
    onNews,
    onDelta(delta) {
      stream.send({ type: 'delta', data: toDeltaData(delta) });
      if (stream.isBehind()) stream.cut();
    },
  });
}

/** A job is a run of its own kind: its events are called after it. */
function typeOf({ type }: RunEvent, { kind }: RunSummary): string {
  return kind === 'job' ? type.replace(/^run\./, 'job.') : type;
}

function toData({ key, data, at }: RunEvent): object {
  const fields = typeof data === 'object' && data !== null && !Array.isArray(data) ? data : { data };
  return { ...(key === null ? {} : { step: key }), ...fields, at: at.toISOString() };
}

function toDeltaData({ key, attempt, part, offset, text }: RunDelta): object {
  return { step: key, attempt, part, offset, text };
}

function createBell() {
  let wake: (() => void) | undefined;
  let rung = false;
  return {
    ring() {
      rung = true;
      wake?.();
    },
    /** Resolves when it has been rung since the last wait, or after `limitMs`. */
    async wait(limitMs: number): Promise<void> {
      if (!rung) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, limitMs);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
      rung = false;
      wake = undefined;
    },
  };
}
