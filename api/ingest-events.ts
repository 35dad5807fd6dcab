import { setTimeout as pause } from 'node:timers/promises';
import type { Request, Response } from 'express';
import type { KeyRing } from '../access/key-ring.ts';
import type { IngestItem, IngestJob } from '../rag/ingest-job.ts';
import type { IngestService } from '../rag/ingest-service.ts';
import { readLastEventId } from './last-event-id.ts';
import { orNothing } from './or-nothing.ts';
import { toFileCounts, toItemView, toJobStatus } from './rag-view.ts';
import { type EventStream, openEventStream } from './replies/event-stream.ts';
import { contextOf } from './request-context.ts';

export interface IngestEventsDeps {
  ingests: Pick<IngestService, 'job' | 'ended' | 'items'>;
  /** Whether this process is about to end: then its clients go to another. */
  isLeaving(): boolean;
  keyRing: Pick<KeyRing, 'onRevoked'>;
}

const PAGE = 200;
const LOOK_EVERY_MS = 500;
/** Of a large job, so many open items are told of in one event. */
const OPEN_ITEMS_MAX = 20;

/**
 * Sends an ingest's events as they happen, those after the client's `Last-Event-ID`, and ends after the last: one with an
 * id for each item that ends and for the job, and between them how far it has come.
 */
export async function sendIngestEvents(
  { ingests, isLeaving, keyRing }: IngestEventsDeps,
  { req, res, job }: { req: Request; res: Response; job: IngestJob },
): Promise<void> {
  let seq = readLastEventId(req);
  let said = '';
  const closing = new AbortController();
  const stream = openEventStream(res, () => closing.abort());
  if (req.method === 'HEAD') return stream.end();
  const forgetRevoked = keyRing.onRevoked(contextOf(res).principal.limits?.keyId, stream.cut);
  try {
    while (stream.isOpen && !isLeaving()) {
      const now = await orNothing(ingests.job(job.id), job);
      // Read before its items: all that it counts as ended will be among them.
      const isOver = now === null || now.endedAt !== null;
      await sendEnded();
      if (now) sendProgress(now, await orNothing(openItems(now), []));
      if (isOver) {
        if (now && seq < now.lastSeq) sendEnd(stream, now);
        break;
      }
      await pause(LOOK_EVERY_MS, undefined, { signal: closing.signal }).catch(() => {});
    }
  } finally {
    forgetRevoked();
    stream.end();
  }

  async function sendEnded(): Promise<void> {
    for (;;) {
      const items = await orNothing(ingests.ended(job.id, seq, PAGE), []);
      for (const item of items) {
        seq = item.seq ?? seq;
        stream.send({ id: seq, type: `item.${item.status}`, data: toItemView(item) });
      }
      await stream.ready();
      if (items.length < PAGE || !stream.isOpen) return;
    }
  }

  async function openItems(now: IngestJob): Promise<IngestItem[]> {
    if (now.counts.in_progress === 0) return [];
    const items = await ingests.items(job.id, { afterOrdinal: -1, limit: PAGE });
    return items.filter(({ status }) => status === 'in_progress').slice(0, OPEN_ITEMS_MAX);
  }

  function sendProgress(now: IngestJob, open: readonly IngestItem[]): void {
    const data = { status: toJobStatus(now), file_counts: toFileCounts(now), items: open.map(toItemView) };
    const text = JSON.stringify(data);
    if (text === said || now.endedAt) return;
    said = text;
    stream.send({ type: 'progress', data });
  }
}

function sendEnd(stream: EventStream, job: IngestJob): void {
  const status = toJobStatus(job);
  const data = { id: job.id, status, file_counts: toFileCounts(job), at: job.endedAt?.toISOString() };
  stream.send({ id: job.lastSeq, type: `ingest.${status}`, data });
}
