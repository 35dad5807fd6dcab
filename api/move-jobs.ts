import type { ReplyBus } from '../jobs/reply-bus.ts';

const ANSWERS_WITHIN_MS = 300;

/** Has jobs on a server that have sent nothing yet go to another. Gives how many did, of the processes that answer
 *  within 300 ms. Throws AppError `store_unavailable`. */
export async function moveJobs(bus: ReplyBus, serverId: string): Promise<number> {
  let moved = 0;
  const unsubscribe = bus.subscribe((message) => {
    if (message.kind === 'moved' && message.serverId === serverId) moved += message.jobs;
  });
  try {
    await bus.broadcast({ kind: 'move', serverId, from: bus.inbox });
    await new Promise((resolve) => setTimeout(resolve, ANSWERS_WITHIN_MS));
    return moved;
  } finally {
    unsubscribe();
  }
}
