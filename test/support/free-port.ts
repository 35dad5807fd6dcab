import { createServer } from 'node:net';

// Below what systems give to outgoing connections (Linux: from 32 768 on), one of which might take a port between the look
// and its use. Each process looks in another place, so that suites beside each other do not find the same.
const FIRST = 10_000;
const COUNT = 20_000;
const APART = 997;
const TRIES_MAX = 500;

let last = (process.pid * APART) % COUNT;

/** A port on 127.0.0.1 that was free a moment ago, and that this process has not given before. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    last = (last + 1) % COUNT;
    if (await isFree(FIRST + last)) return FIRST + last;
  }
  throw new Error('No free port was found.');
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
