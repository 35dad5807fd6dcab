import type { RequestListener } from 'node:http';
import { createHttpServer } from '../api/http-server.ts';
import type { Lifecycle } from '../core/lifecycle.ts';
import { endsWithin } from '../core/time-limit.ts';

/** Where the process listens, whatever it has to say at the time. */
export interface FrontDoor {
  /** Answers with `handler` from now on, and listens if it does not yet. Gives the port. Throws a clear Error when the
   *  address is taken. */
  serve(handler: RequestListener): Promise<number>;
  /** Takes no further connection; resolves when the last answer is out. */
  drain(): Promise<void>;
  /** Cuts what is still open. */
  destroy(): void;
}

/** For the last answers to leave. */
const LAST_ANSWERS_MS = 500;

export function createFrontDoor({ host, port }: { host: string; port: number }, life: Lifecycle): FrontDoor {
  let handler: RequestListener = () => {};
  let listening: Promise<number> | undefined;
  const server = createHttpServer({ host, port, handler: (req, res) => handler(req, res) });

  return {
    serve(next) {
      handler = next;
      listening ??= listen();
      return listening;
    },
    drain: server.drain,
    destroy: server.destroy,
  };

  async function listen(): Promise<number> {
    const bound = await server.listen();
    life.defer('HTTP server', async () => {
      await endsWithin(server.drain(), LAST_ANSWERS_MS);
      server.destroy();
    });
    return bound;
  }
}
