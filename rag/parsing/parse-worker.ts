import { Worker } from 'node:worker_threads';
import { DocumentRefused } from '../document-refused.ts';
import type { FromParser, ToParser } from './parse-messages.ts';

const YOUNG_MB = 8;

/** A parse thread as the pool sees it. */
export interface ParseWorker {
  /** Its answer. Throws DocumentRefused where it takes longer or dies, and `signal.reason`; it is dead then. */
  ask(message: ToParser, limits: { timeoutMs: number; signal: AbortSignal }): Promise<FromParser>;
  isAlive(): boolean;
  end(): Promise<unknown>;
}

export function startParseWorker(memoryMb: number): ParseWorker {
  const worker = new Worker(new URL('./parse-thread.ts', import.meta.url), {
    // A larger young generation grows to it before it is cleaned: 40 MB more for a long PDF.
    resourceLimits: { maxOldGenerationSizeMb: memoryMb, maxYoungGenerationSizeMb: YOUNG_MB },
  });
  // It must not keep a process that is otherwise done.
  worker.unref();
  let isAlive = true;
  let settle: ((outcome: FromParser | Error) => void) | null = null;
  worker.on('message', (answer: FromParser) => settle?.(answer));
  worker.on('error', (error) => die(toRefusal(error)));
  worker.on('exit', () => die(new DocumentRefused('malformed')));

  function die(error: Error): void {
    isAlive = false;
    settle?.(error);
  }

  function kill(error: Error): void {
    void worker.terminate();
    die(error);
  }

  return {
    async ask(message, { timeoutMs, signal }) {
      signal.throwIfAborted();
      const onAbort = () => kill(toError(signal.reason));
      const timer = setTimeout(() => kill(new DocumentRefused('timed_out')), timeoutMs);
      signal.addEventListener('abort', onAbort, { once: true });
      try {
        const outcome = await new Promise<FromParser | Error>((resolve) => {
          settle = resolve;
          worker.postMessage(message, toTransfer(message));
        });
        if (outcome instanceof Error) throw outcome;
        return outcome;
      } finally {
        settle = null;
        clearTimeout(timer);
        signal.removeEventListener('abort', onAbort);
      }
    },
    isAlive: () => isAlive,
    end() {
      isAlive = false;
      return worker.terminate();
    },
  };
}

/** Moved, not copied. */
function toTransfer(message: ToParser): ArrayBuffer[] {
  return message.kind === 'open' ? [message.source.bytes.buffer as ArrayBuffer] : [];
}

function toRefusal(error: unknown): Error {
  const isMemory = (error as { code?: unknown }).code === 'ERR_WORKER_OUT_OF_MEMORY';
  return new DocumentRefused(isMemory ? 'out_of_memory' : 'malformed', undefined, error);
}

const toError = (reason: unknown) => (reason instanceof Error ? reason : new Error(String(reason)));
