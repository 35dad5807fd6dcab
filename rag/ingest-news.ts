// Who reads an ingest's events hears of its documents, and who takes documents in hears that there are some, in whichever process
// they are. A message that is lost costs a reader or a runner its next look at the rows: both look by themselves.
import type { ReplyBus } from '../jobs/reply-bus.ts';
import type { IngestWork } from './ingest-work.ts';

export interface IngestNews {
  /** Documents of these collections have come on, or ended. */
  tell(collectionIds: Iterable<string>): void;
  /** There are documents to take in. */
  ring(): void;
  /** Hears of a collection's documents. Returns the function that ends it. */
  watch(collectionId: string, onNews: () => void): () => void;
  stop(): void;
}

interface IngestNewsOptions {
  bus: Pick<ReplyBus, 'subscribe' | 'broadcast'>;
  /** There may be documents to take in. */
  onRing(): void;
}

/** What comes within this time goes in one message. */
const GATHER_MS = 100;

export function createIngestNews({ bus, onRing }: IngestNewsOptions): IngestNews {
  const watchers = new Map<string, Set<() => void>>();
  const untold = new Set<string>();
  let hasWork = false;
  let timer: NodeJS.Timeout | undefined;

  const unsubscribe = bus.subscribe((message) => {
    if (message.kind !== 'ingest-news') return;
    for (const id of message.collectionIds) for (const onNews of watchers.get(id) ?? []) onNews();
    if (message.hasWork) onRing();
  });

  return {
    tell(collectionIds) {
      for (const id of collectionIds) untold.add(id);
      sendSoon();
    },
    ring() {
      hasWork = true;
      sendSoon();
    },
    watch(collectionId, onNews) {
      const own = watchers.get(collectionId) ?? new Set();
      own.add(onNews);
      watchers.set(collectionId, own);
      return () => {
        own.delete(onNews);
        if (own.size === 0 && watchers.get(collectionId) === own) watchers.delete(collectionId);
      };
    },
    stop() {
      clearTimeout(timer);
      unsubscribe();
    },
  };

  function sendSoon(): void {
    timer ??= setTimeout(() => {
      timer = undefined;
      const message = { kind: 'ingest-news' as const, collectionIds: [...untold], hasWork };
      untold.clear();
      hasWork = false;
      bus.broadcast(message).catch(() => {});
    }, GATHER_MS);
  }
}

/** The same rows, of whose writes is told. */
export function withNews(work: IngestWork, tell: () => void): IngestWork {
  const telling =
    <Args extends unknown[], Result>(write: (...args: Args) => Promise<Result>) =>
    async (...args: Args): Promise<Result> => {
      const result = await write(...args);
      tell();
      return result;
    };
  return {
    ...work,
    release: telling(work.release),
    writeChunks: telling(work.writeChunks),
    moveChunks: telling(work.moveChunks),
    moveOn: telling(work.moveOn),
    publish: telling(work.publish),
    fail: telling(work.fail),
  };
}
