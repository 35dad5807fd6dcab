import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import type { FaultName } from '../../servers/demo/faults.ts';
import { freePort } from '../../test/support/free-port.ts';

/** A simulated model server in a process of its own, which can be made to fail. */
export interface SoakServer {
  readonly id: string;
  readonly port: number;
  setFault(fault: FaultName | undefined): void;
  /** SIGSTOP and SIGCONT. */
  freeze(): void;
  thaw(): void;
  /** SIGKILL. Resolves when it is gone. */
  kill(): Promise<void>;
  /** Starts it anew on its port. */
  restart(): Promise<void>;
}

const READY_MS = 20_000;

export async function startSoakServer(id: string): Promise<SoakServer> {
  const port = await freePort();
  let child = await launch(port);
  return {
    id,
    port,
    setFault: (fault) => void child.send({ fault }),
    freeze: () => void child.kill('SIGSTOP'),
    thaw: () => void child.kill('SIGCONT'),
    async kill() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    },
    async restart() {
      child = await launch(port);
    },
  };
}

async function launch(port: number): Promise<ChildProcess> {
  const child = fork(new URL('soak-server.ts', import.meta.url), [String(port)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`a model server ended with ${code}`);
  });
  // Only its end before it is ready is of interest here.
  ended.catch(() => {});
  await Promise.race([once(child, 'message', { signal: AbortSignal.timeout(READY_MS) }), ended]);
  return child;
}
