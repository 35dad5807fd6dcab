import { MODEL_CLASSES, type ModelClass } from '../core/schemas/model-class.ts';
import type { BullmqQueue } from './bullmq-queue.ts';

/** One queue object per model class, shared by all its users: each object costs listeners and connections. */
export function createClassQueues(create: (name: string) => BullmqQueue) {
  const queues = new Map<ModelClass, BullmqQueue>(MODEL_CLASSES.map((name) => [name, create(name)]));
  return {
    queue(modelClass: ModelClass): BullmqQueue {
      const queue = queues.get(modelClass);
      if (!queue) throw new Error(`no queue for model class ${modelClass}`);
      return queue;
    },
    /** Resolves when the first add will not have to wait for a connection. */
    async ready() {
      await Promise.all([...queues.values()].map((queue) => queue.ready()));
    },
    native: () => [...queues.values()].map((queue) => queue.native),
    async close() {
      await Promise.allSettled([...queues.values()].map((queue) => queue.close()));
    },
  };
}
