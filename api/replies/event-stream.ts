import type { Response } from 'express';
import { setProcessingTime } from './json-reply.ts';

/** A stream of server-sent events to one client. */
export interface EventStream {
  readonly isOpen: boolean;
  /** An event; with an `id`, one after which a client may come back. */
  send(event: { id?: number; type: string; data: object }): void;
  /** Resolves when the client has taken so much that more may be sent, or has left. */
  ready(): Promise<void>;
  /** Whether more waits for the client than is kept for it. */
  isBehind(): boolean;
  end(): void;
  /** Breaks it off: the client comes back and goes on where it was. */
  cut(): void;
}

export const SSE_HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-cache, no-transform',
  // Or nginx would hold the events back.
  'x-accel-buffering': 'no',
} as const;

const KEEP_ALIVE_MS = 15_000;
/** Text that waits in this process for one slow reader. */
const UNREAD_BYTES_MAX = 1_000_000;

/** Sends the head of an event stream, and a comment line each 15 s until its end. */
export function openEventStream(res: Response, onClose: () => void): EventStream {
  let isOpen = true;
  const keepAlive = setInterval(() => res.write(': keep-alive\n\n'), KEEP_ALIVE_MS);
  keepAlive.unref();
  const close = () => {
    isOpen = false;
    clearInterval(keepAlive);
    onClose();
  };
  res.once('close', close);
  setProcessingTime(res);
  res.writeHead(200, SSE_HEADERS);
  res.flushHeaders();

  return {
    get isOpen() {
      return isOpen;
    },
    send({ id, type, data }) {
      if (!isOpen) return;
      const head = id === undefined ? '' : `id: ${id}\n`;
      res.write(`${head}event: ${type}\ndata: ${JSON.stringify(data)}\n\n`);
    },
    async ready() {
      if (!isOpen || !res.writableNeedDrain) return;
      await new Promise<void>((resolve) => {
        const end = () => {
          res.off('drain', end);
          res.off('close', end);
          resolve();
        };
        res.on('drain', end);
        res.on('close', end);
      });
    },
    isBehind: () => res.writableLength > UNREAD_BYTES_MAX,
    end() {
      if (!isOpen) return;
      isOpen = false;
      clearInterval(keepAlive);
      res.end();
    },
    cut() {
      res.destroy();
    },
  };
}
