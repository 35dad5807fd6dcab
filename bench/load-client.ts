import { type ChildProcess, fork } from 'node:child_process';
import type { GeneratorReply, LoadJob, LoadResult } from './load-job.ts';

export interface LoadClient {
  /** The generator's process. */
  readonly pid: number;
  /** Has the generator play one job; one at a time. Throws an Error when it cannot, and after the job's limit. */
  run<Job extends LoadJob>(job: Job, limitMs: number): Promise<LoadResult<Job>>;
  /** May be called twice. */
  stop(): void;
}

/** Starts the load generator in a process of its own. Every run fails as soon as `signal` aborts. */
export function startLoadClient(signal: AbortSignal): LoadClient {
  const generator = fork(new URL('./load-generator.ts', import.meta.url), {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  return {
    pid: generator.pid ?? 0,
    async run<Job extends LoadJob>(job: Job, limitMs: number) {
      signal.throwIfAborted();
      const reply = nextReply(generator, AbortSignal.any([signal, AbortSignal.timeout(limitMs)]));
      generator.send(job);
      const answer = await reply;
      if (!answer.ok) throw new Error(`The load generator failed: ${answer.message}`);
      return answer.result as LoadResult<Job>;
    },
    stop: () => void generator.kill('SIGKILL'),
  };
}

function nextReply(generator: ChildProcess, signal: AbortSignal): Promise<GeneratorReply> {
  return new Promise((resolve, reject) => {
    const listeners = {
      message: (reply: GeneratorReply) => settle(() => resolve(reply)),
      exit: () => settle(() => reject(new Error('The load generator died.'))),
    };
    const onAbort = () => settle(() => reject(new Error('The load generator did not end in time.')));
    function settle(how: () => void): void {
      generator.off('message', listeners.message);
      generator.off('exit', listeners.exit);
      signal.removeEventListener('abort', onAbort);
      how();
    }
    generator.on('message', listeners.message);
    generator.on('exit', listeners.exit);
    signal.addEventListener('abort', onAbort);
  });
}
