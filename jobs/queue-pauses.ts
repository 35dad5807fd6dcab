import { MODEL_CLASSES, type ModelClass } from '../core/schemas/model-class.ts';
import type { QueueSystem } from './queue-system.ts';

/** Which classes' queues are paused: their jobs wait, and new ones join them. It stands in the queue's store, so that every
 *  process and every start finds it; here it is known without asking there. */
export interface QueuePauses {
  isPaused(modelClass: ModelClass): boolean;
  /** Resolves when the store has it. Throws AppError `store_unavailable`. */
  set(modelClass: ModelClass, isPaused: boolean): Promise<void>;
  /** Reads the store; runs by itself each 10 s, for news that were lost. */
  tick(): Promise<void>;
  close(): void;
}

const EVERY_MS = 10_000;

export function createQueuePauses(queues: Pick<QueueSystem, 'queue' | 'bus'>): QueuePauses {
  const paused = new Set<ModelClass>();
  const unsubscribe = queues.bus.subscribe((message) => {
    if (message.kind === 'queue-paused') note(message.modelClass, message.isPaused);
  });
  const timer = setInterval(tick, EVERY_MS);
  timer.unref();
  tick();

  return {
    isPaused: (modelClass) => paused.has(modelClass),
    async set(modelClass, isPaused) {
      await queues.queue(modelClass).setPaused(isPaused);
      note(modelClass, isPaused);
      // Whoever is not told reads it within ten seconds.
      await queues.bus.broadcast({ kind: 'queue-paused', modelClass, isPaused }).catch(() => {});
    },
    tick,
    close() {
      clearInterval(timer);
      unsubscribe();
    },
  };

  function note(modelClass: ModelClass, isPaused: boolean): void {
    if (isPaused) paused.add(modelClass);
    else paused.delete(modelClass);
  }

  async function tick(): Promise<void> {
    await Promise.all(MODEL_CLASSES.map(read));
  }

  async function read(modelClass: ModelClass): Promise<void> {
    try {
      note(modelClass, await queues.queue(modelClass).isPaused());
    } catch {
      // The store is away: what was known still stands.
    }
  }
}
