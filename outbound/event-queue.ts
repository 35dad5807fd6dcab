import type { StreamEvent } from '../core/stream-event.ts';

// Above these the socket is not read on: a slow consumer slows its own server down and nobody else.
const WAITING_CHARS_MAX = 1024 * 1024;
const WAITING_EVENTS_MAX = 1_000;

/** What the queue tells the connection that fills it. */
export interface EventFlow {
  pause(): void;
  resume(): void;
  /** The consumer went away before the end. */
  leave(): void;
}

export interface EventQueue {
  push(event: StreamEvent): void;
  end(): void;
  /** The iterator throws `error` once it has handed out what was pushed before. */
  fail(error: unknown): void;
  /** The iterator throws `reason` next, whatever was pushed before. */
  abort(reason: unknown): void;
  /** For one consumer that asks for one batch at a time. */
  readonly events: AsyncIterableIterator<StreamEvent[]>;
}

type Batch = IteratorResult<StreamEvent[], undefined>;

const OVER: Batch = { done: true, value: undefined };

export function createEventQueue(flow: EventFlow): EventQueue {
  const backlog = createBacklog(flow);
  let ending: { error?: unknown; failed: boolean } | undefined;
  let consumer: PromiseWithResolvers<Batch> | undefined;

  function next(): Promise<Batch> {
    if (!backlog.isEmpty()) return Promise.resolve({ done: false, value: backlog.take() });
    if (ending?.failed) {
      ending.failed = false;
      return Promise.reject(ending.error);
    }
    if (ending) return Promise.resolve(OVER);
    consumer ??= Promise.withResolvers();
    return consumer.promise;
  }

  // In a microtask, so that all events of one network read make one batch.
  function wake(): void {
    const woken = consumer;
    if (woken === undefined) return;
    consumer = undefined;
    queueMicrotask(() => woken.resolve(next()));
  }

  function finish(how: { error?: unknown; failed: boolean }): void {
    ending = how;
    wake();
  }

  function leave(): Promise<Batch> {
    const early = ending === undefined;
    backlog.clear();
    finish({ failed: false });
    if (early) flow.leave();
    return Promise.resolve(OVER);
  }

  return {
    push(event) {
      backlog.push(event);
      wake();
    },
    end: () => finish({ failed: false }),
    fail: (error) => finish({ failed: true, error }),
    abort(reason) {
      backlog.clear();
      finish({ failed: true, error: reason });
    },
    events: { next, return: leave, [Symbol.asyncIterator]: returnThis },
  };
}

function returnThis<T>(this: T): T {
  return this;
}

function createBacklog(flow: EventFlow) {
  let waiting: StreamEvent[] = [];
  let chars = 0;
  let paused = false;

  function clear(): void {
    waiting = [];
    chars = 0;
  }

  return {
    clear,
    isEmpty: () => waiting.length === 0,
    push(event: StreamEvent): void {
      waiting.push(event);
      chars += event.text.length;
      if (paused) return;
      if (chars < WAITING_CHARS_MAX && waiting.length < WAITING_EVENTS_MAX) return;
      paused = true;
      flow.pause();
    },
    take(): StreamEvent[] {
      const batch = waiting;
      clear();
      if (paused) {
        paused = false;
        flow.resume();
      }
      return batch;
    },
  };
}
