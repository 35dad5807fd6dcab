import { setTimeout as pause } from 'node:timers/promises';
import { Worker } from 'bullmq';

const STORE_RETRY_MS = 5_000;

/** A worker for manual calls. BullMQ's own waits after each check that failed, also once it is closed, and a process whose
 *  store was away would live for as long after it has stopped everything. */
export class ManualWorker extends Worker {
  protected override async checkConnectionError<T>(call: () => Promise<T>): Promise<T | undefined> {
    let hasFailed = false;
    const answer = await super.checkConnectionError(async () => {
      try {
        return await call();
      } catch (error) {
        hasFailed = true;
        throw error;
      }
    }, 0);
    if (hasFailed && !this.closing) await pause(STORE_RETRY_MS, undefined, { ref: false });
    return answer;
  }
}
