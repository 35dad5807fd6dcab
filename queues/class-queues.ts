import { MODEL_CLASSES, type ModelClass } from '../core/schemas/model-class.ts';
import type { BullmqQueue } from './bullmq-queue.ts';

/** One queue object per model class and one for runs, shared by all their users: each object costs listeners and
 *  connections. */
export function createClassQueues(create: (name: string) => BullmqQueue) {
  const queues = new Map<ModelClass, BullmqQueue>(MODEL_CLASSES.map((name) => [name, create(name)]));
  const runs = create('runs');
  const all = [...queues.values(), runs];
  return {
    runs,
    queue(modelClass: ModelClass): BullmqQueue {
      const queue = queues.get(modelClass);
      if (!queue) throw new Error(`no queue for model class ${modelClass}`);
      return queue;
    },
    /** Resolves when the first add will not have to wait for a connection. */
    async ready() {
      await Promise.all(all.map((queue) => queue.ready()));
    },
    native: () => all.map((queue) => queue.native),
    async close() {
      await Promise.allSettled(all.map((queue) => queue.close()));
    },
  };
}
