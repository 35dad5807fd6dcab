import type { DocumentReader, SourceDocument } from '../document-reader.ts';
import { DocumentRefused } from '../document-refused.ts';
import type { ParseLimits } from './open-document.ts';
import type { FromParser, ToParser } from './parse-messages.ts';
import { type ParseWorker, startParseWorker } from './parse-worker.ts';

export interface ParsePool extends DocumentReader {
  close(): Promise<void>;
}

export interface ParsePoolOptions {
  /** Documents read at once; the others wait (1). */
  threads?: number;
  /** Of one thread's JavaScript; the bytes it is given do not count (512). */
  memoryMb?: number;
  /** For the work on one document, without the time that its reader takes between parts (5 min). */
  timeLimitMs?: number;
  /** A thread that had nothing to do for so long ends, and gives back its memory (30 s). */
  idleMs?: number;
  limits?: Partial<ParseLimits>;
}

const LIMITS: ParseLimits = {
  pagesMax: 2_000,
  textLengthMax: 104_857_600,
  unpackedBytesMax: 209_715_200,
};

/** Reads documents in threads of this process, which start when they are needed. */
export function createParsePool(options: ParsePoolOptions = {}): ParsePool {
  const { threads = 1, memoryMb = 512, timeLimitMs = 300_000, idleMs = 30_000 } = options;
  const limits = { ...LIMITS, ...options.limits };
  const idle: { worker: ParseWorker; timer: NodeJS.Timeout }[] = [];
  const waiting: (() => void)[] = [];
  let busy = 0;

  async function acquire(signal: AbortSignal): Promise<ParseWorker> {
    signal.throwIfAborted();
    if (busy >= threads) await turn(signal);
    busy++;
    for (let entry = idle.pop(); entry; entry = idle.pop()) {
      clearTimeout(entry.timer);
      if (entry.worker.isAlive()) return entry.worker;
    }
    return startParseWorker(memoryMb);
  }

  function turn(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const go = () => {
        signal.removeEventListener('abort', leave);
        resolve();
      };
      const leave = () => {
        waiting.splice(waiting.indexOf(go), 1);
        reject(signal.reason);
      };
      waiting.push(go);
      signal.addEventListener('abort', leave, { once: true });
    });
  }

  /** One that was left in the middle of a document is of no more use. */
  function release(worker: ParseWorker, isDone: boolean): void {
    busy--;
    if (!isDone) void worker.end();
    else if (worker.isAlive()) {
      const timer = setTimeout(() => {
        idle.splice(idle.indexOf(entry), 1);
        void worker.end();
      }, idleMs);
      timer.unref();
      const entry = { worker, timer };
      idle.push(entry);
    }
    waiting.shift()?.();
  }

  return {
    async *read(document, signal) {
      const source = await toSource(document, signal);
      const reading = { chunk: document.chunk, position: document.position, limits };
      const worker = await acquire(signal);
      const ask = withinBudget(worker, timeLimitMs, signal);
      let isDone = false;
      try {
        let answer = await ask({ kind: 'open', source, reading });
        while (answer.kind === 'part') {
          yield answer.part;
          answer = await ask({ kind: 'next' });
        }
        isDone = true;
        if (answer.kind === 'refused') throw new DocumentRefused(answer.reasonCode, answer.message);
      } finally {
        release(worker, isDone);
      }
    },
    async close() {
      const workers = idle.splice(0);
      for (const { timer } of workers) clearTimeout(timer);
      await Promise.all(workers.map(({ worker }) => worker.end()));
    },
  };
}

async function toSource({ bytes, fileName, mediaType }: SourceDocument, signal: AbortSignal) {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of bytes) {
    signal.throwIfAborted();
    parts.push(part);
    length += part.length;
  }
  // A buffer of its own, since it is moved to the thread.
  const all = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return { bytes: all, fileName, mediaType };
}

/** Questions to a worker that together take at most `limitMs`. */
function withinBudget(worker: ParseWorker, limitMs: number, signal: AbortSignal) {
  let leftMs = limitMs;
  return async (message: ToParser): Promise<FromParser> => {
    const startedMs = performance.now();
    const answer = await worker.ask(message, { timeoutMs: Math.max(1, leftMs), signal });
    leftMs -= performance.now() - startedMs;
    return answer;
  };
}
