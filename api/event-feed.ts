import { setTimeout as pause } from 'node:timers/promises';
import type { Request, Response } from 'express';
import type { KeyRing } from '../access/key-ring.ts';
import { type EventStream, openEventStream } from './replies/event-stream.ts';
import { contextOf } from './request-context.ts';

export interface EventFeedDeps {
  /** Whether this process is about to end: then its clients go to another. */
  isLeaving(): boolean;
  keyRing: Pick<KeyRing, 'onRevoked'>;
}

/** What is told to one reader. */
export interface EventFeed {
  /** Sends what is new. `more`: there may be more at once; `over`: that was the last. */
  send(): Promise<'more' | 'wait' | 'over'>;
  stop(): void;
}

interface FeedOptions {
  /** `ring` tells that there may be something new. */
  open(stream: EventStream, ring: () => void): EventFeed;
  /** It looks so often, rung or not. */
  lookEveryMs: number;
  /** It looks no sooner again, however often it is rung. */
  restMs: number;
}

/** Sends events as they happen, until the last, or the reader or this process leaves. */
export async function sendEventFeed(
  { isLeaving, keyRing }: EventFeedDeps,
  { req, res }: { req: Request; res: Response },
  { open, lookEveryMs, restMs }: FeedOptions,
): Promise<void> {
  const news = createBell();
  const closing = new AbortController();
  const stream = openEventStream(res, () => {
    closing.abort();
    news.ring();
  });
  if (req.method === 'HEAD') return stream.end();
  const forgetRevoked = keyRing.onRevoked(contextOf(res).principal.limits?.keyId, stream.cut);
  const feed = open(stream, news.ring);
  try {
    while (stream.isOpen) {
      const state = await feed.send();
      if (state === 'more') continue;
      if (state === 'over' || isLeaving()) break;
      if (restMs > 0) await pause(restMs, undefined, { signal: closing.signal }).catch(() => {});
      await news.wait(lookEveryMs - restMs);
    }
  } finally {
    forgetRevoked();
    feed.stop();
    stream.end();
  }
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
