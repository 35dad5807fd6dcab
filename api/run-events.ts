import type { Request, Response } from 'express';
import type { RunId } from '../core/ids.ts';
import { isEnded, type RunEvent, type RunSummary } from '../workflows/run-record.ts';
import type { RunDelta, Runs } from '../workflows/runs.ts';
import { type EventFeed, type EventFeedDeps, sendEventFeed } from './event-feed.ts';
import { readLastEventId } from './last-event-id.ts';
import { orNothing } from './or-nothing.ts';
import type { EventStream } from './replies/event-stream.ts';

export interface RunEventsDeps extends EventFeedDeps {
  runs: Pick<Runs, 'events' | 'summary' | 'watch'>;
}

const PAGE = 200;
/** How long to wait for news: what the bus has lost is then read from the store. */
const LOOK_EVERY_MS = 1_000;
const GONE_AFTER_MS = 3_600_000;

/**
 * Sends a run's events as they happen, those after the client's `Last-Event-ID`, and ends after the last. Durable events
 * come from the store, so that any process can send them; what models say comes between them, without an id.
 */
export async function sendRunEvents(
  { runs, ...deps }: RunEventsDeps,
  { req, res, run }: { req: Request; res: Response; run: RunSummary },
): Promise<void> {
  let seq = readLastEventId(req);
  await sendEventFeed(deps, { req, res }, { open, lookEveryMs: LOOK_EVERY_MS, restMs: 0 });

  function open(stream: EventStream, ring: () => void): EventFeed {
    let unwatch: (() => void) | undefined;
    return {
      async send() {
        if (await sendEvents(stream)) return 'more';
        // Not before: what a step says should not come before the event of its start.
        unwatch ??= watch(runs, run.id, stream, ring);
        return (await hasNoMore()) ? 'over' : 'wait';
      },
      stop: () => unwatch?.(),
    };
  }

  /** Whether there may be more at once. */
  async function sendEvents(stream: EventStream): Promise<boolean> {
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
