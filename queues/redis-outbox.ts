import type { Redis } from 'ioredis';
import { AppError } from '../core/errors.ts';
import { storeUnavailable } from './store-errors.ts';

/** What one process sends to one inbox, in order, several messages an entry. */
export interface Outbox {
  /** Takes a message (JSON text). `canWait`: it may be held back some ms to share an entry with those that follow.
   *  Resolves when Redis has it, false when nobody reads that inbox any more; throws `store_unavailable`. */
  push(message: string, canWait: boolean): Promise<boolean>;
  isIdle(): boolean;
}

interface OutboxOptions {
  redis: Redis;
  key: string;
  /** Redis trims the stream to about this many entries. */
  entriesMax: number;
}

interface Batch {
  messages: string[];
  canWait: boolean;
  promise: Promise<boolean>;
  settle: (sent: Promise<boolean>) => void;
}

/** Tokens that follow within this time travel together: measured, an entry costs Redis more than a token. */
const COALESCE_MS = 4;
const WAITING_CHARS_MAX = 32_000_000;
/** While Redis is away a message is tried again for this long, so that an answer survives a restart. */
const RETRY_FOR_MS = 15_000;
const RETRY_EVERY_MS = 200;

export function createOutbox({ redis, key, entriesMax }: OutboxOptions): Outbox {
  let next: Batch | undefined;
  let waitingChars = 0;
  let sending = false;
  let timer: NodeJS.Timeout | undefined;
  let sentAtMs = 0;

  return {
    push(message, canWait) {
      if (waitingChars + message.length > WAITING_CHARS_MAX) {
        return Promise.reject(new AppError('store_unavailable', 'Redis does not keep up with the answers.'));
      }
      next ??= newBatch();
      next.messages.push(message);
      next.canWait &&= canWait;
      waitingChars += message.length;
      const { promise } = next;
      if (!sending) schedule(next.canWait);
      return promise;
    },
    isIdle: () => next === undefined && !sending,
  };

  function schedule(canWait: boolean): void {
    const waitMs = canWait ? sentAtMs + COALESCE_MS - Date.now() : 0;
    if (waitMs <= 0) {
      clearTimeout(timer);
      timer = undefined;
      sendNext();
      return;
    }
    timer ??= setTimeout(() => {
      timer = undefined;
      if (!sending) sendNext();
    }, waitMs);
  }

  async function sendNext(): Promise<void> {
    const batch = next;
    if (!batch) return;
    next = undefined;
    sending = true;
    const sent = add(`[${batch.messages.join(',')}]`);
    batch.settle(sent);
    await sent.catch(() => {});
    for (const message of batch.messages) waitingChars -= message.length;
    sending = false;
    sentAtMs = Date.now();
    // Set by push meanwhile, which the compiler does not see.
    const following = next as Batch | undefined;
    if (following) schedule(following.canWait);
  }

  async function add(text: string): Promise<boolean> {
    const giveUpAtMs = Date.now() + RETRY_FOR_MS;
    for (;;) {
      try {
        return (await redis.xadd(key, 'NOMKSTREAM', 'MAXLEN', '~', entriesMax, '*', 'm', text)) !== null;
      } catch (error) {
        if (Date.now() >= giveUpAtMs) throw storeUnavailable(error);
        await new Promise((resolve) => setTimeout(resolve, RETRY_EVERY_MS));
      }
    }
  }
}

function newBatch(): Batch {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  // A sender that does not wait for the outcome must not end the process.
  promise.catch(() => {});
  return { messages: [], canWait: true, promise, settle: resolve };
}
