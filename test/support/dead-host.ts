import { connect, type Socket } from 'node:net';
import { kill } from 'node:process';
import { startProgram } from './program.ts';

/** A port that is listened on and takes no connection, as that of a machine which is gone. */
export interface DeadHost {
  close(): Promise<void>;
}

const TAKEN_WITHIN_MS = 200;
const CONNECTIONS_MAX = 32;

/** Makes `port` of 127.0.0.1, which must be free, a dead host's. */
export async function startDeadHost(port: number): Promise<DeadHost> {
  const listener = startProgram('silent-listener.ts', [String(port)]);
  await listener.nextLine();
  kill(listener.pid, 'SIGSTOP');
  const sockets: Socket[] = [];
  while (sockets.length < CONNECTIONS_MAX && (await isTaken(port, sockets)));
  return {
    async close() {
      for (const socket of sockets) socket.destroy();
      await listener.kill();
    },
  };
}

/** Whether the queue of connections that nobody accepts still had room for one more. */
function isTaken(port: number, sockets: Socket[]): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    sockets.push(socket);
    const timer = setTimeout(() => resolve(false), TAKEN_WITHIN_MS);
    socket.once('connect', () => {
      clearTimeout(timer);
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
