// Tags only grow (jobs/fair-order.ts), and BullMQ's numbers end: once nothing waits in a worn queue, all processes begin
// anew. A request that is added just then may have an old tag: its own process gives it a new one.
import type { ModelClass } from '../core/schemas/model-class.ts';
import type { Admission } from './admission.ts';
import type { QueueSystem } from './queue-system.ts';

export interface OrderReset {
  /** Begins anew where that is due; runs by itself every 10 s. */
  tick(): Promise<void>;
  close(): void;
}

const EVERY_MS = 10_000;
/** A normal request's first tags of a new beginning. */
const FIRST_TAG = 4_001;

export function createOrderReset(queues: QueueSystem, admission: Admission): OrderReset {
  const unsubscribe = queues.bus.subscribe((message) => {
    if (message.kind === 'order-reset') reset(message.modelClass);
  });
  const timer = setInterval(() => tick().catch(() => {}), EVERY_MS);
  timer.unref();

  return {
    tick,
    close() {
      clearInterval(timer);
      unsubscribe();
    },
  };

  async function tick(): Promise<void> {
    for (const modelClass of admission.worn()) {
      const { waiting, delayed } = await queues.queue(modelClass).counts();
      if (waiting + delayed === 0) await queues.bus.broadcast({ kind: 'order-reset', modelClass });
    }
  }

  function reset(modelClass: ModelClass): void {
    admission.reset(modelClass);
    const late = [...admission.line(modelClass).places().keys()];
    for (const [index, id] of late.entries()) {
      admission.line(modelClass).join(id, FIRST_TAG + index);
      queues
        .queue(modelClass)
        .reorder(id, FIRST_TAG + index)
        .catch(() => {});
    }
  }
}
