import type { Request, Response } from 'express';
import type { IngestItem, IngestJob } from '../rag/ingest-job.ts';
import type { IngestNews } from '../rag/ingest-news.ts';
import type { IngestService } from '../rag/ingest-service.ts';
import { type EventFeed, type EventFeedDeps, sendEventFeed } from './event-feed.ts';
import { readLastEventId } from './last-event-id.ts';
import { orNothing } from './or-nothing.ts';
import { toFileCounts, toItemView, toJobStatus } from './rag-view.ts';
import type { EventStream } from './replies/event-stream.ts';

export interface IngestEventsDeps extends EventFeedDeps {
  ingests: Pick<IngestService, 'job' | 'ended' | 'items'>;
  ingestNews: Pick<IngestNews, 'watch'>;
}

const PAGE = 200;
/** What nobody tells of (a collection that is deleted, say, or what the bus has lost) is seen then. */
const LOOK_EVERY_MS = 2_000;
/** Many readers may ask of a busy ingest. */
const REST_MS = 250;
/** Of a large job, so many open items are told of in one event. */
const OPEN_ITEMS_MAX = 20;

/**
 * Sends an ingest's events as they happen, those after the client's `Last-Event-ID`, and ends after the last: one with an
 * id for each item that ends and for the job, and between them how far it has come.
 */
export async function sendIngestEvents(
  { ingests, ingestNews, ...deps }: IngestEventsDeps,
  { req, res, job }: { req: Request; res: Response; job: IngestJob },
): Promise<void> {
  let seq = readLastEventId(req);
  let said = '';
  await sendEventFeed(deps, { req, res }, { open, lookEveryMs: LOOK_EVERY_MS, restMs: REST_MS });

  function open(stream: EventStream, ring: () => void): EventFeed {
    return {
      async send() {
        const now = await orNothing(ingests.job(job.id), job);
        // Read before its items: all that it counts as ended will be among them.
        const isOver = now === null || now.endedAt !== null;
        await sendEnded(stream);
        if (now) sendProgress(stream, now, await orNothing(openItems(now), []));
        if (isOver && now && seq < now.lastSeq) sendEnd(stream, now);
        return isOver ? 'over' : 'wait';
      },
      stop: ingestNews.watch(job.collectionId, ring),
    };
  }

  async function sendEnded(stream: EventStream): Promise<void> {
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

  function sendProgress(stream: EventStream, now: IngestJob, open: readonly IngestItem[]): void {
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
