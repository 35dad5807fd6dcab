import type { BusMessage, ReplyBus } from '../jobs/reply-bus.ts';
import type { WorkerPool } from './worker-pool.ts';

/** Moves this process's jobs from a server when the bus says so, and answers how many it moved. */
export interface JobMover {
  close(): void;
}

interface JobMoverOptions {
  bus: ReplyBus;
  /** All of this process. */
  pools: readonly Pick<WorkerPool, 'moveFrom'>[];
}

export function createJobMover({ bus, pools }: JobMoverOptions): JobMover {
  const close = bus.subscribe((message: BusMessage) => {
    if (message.kind !== 'move') return;
    const { serverId, from } = message;
    const jobs = pools.reduce((sum, pool) => sum + pool.moveFrom(serverId), 0);
    // Who asked counts what comes in time; a bus that is away loses one number, and no job.
    bus.send(from, { kind: 'moved', serverId, jobs, worker: bus.inbox }).catch(() => {});
  });
  return { close };
}
