import type { RequestListener, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createServer } from '../core/node-http.ts';
import { createBrokenRequests } from './broken-requests.ts';

export interface HttpServer {
  /** Resolves with the port in use. Throws a clear Error when the address is taken. */
  listen(): Promise<number>;
  /** Takes no further connection and closes idle ones; resolves when the last answer is out. */
  drain(): Promise<void>;
  /** Cuts what is still open. */
  destroy(): void;
}

interface HttpServerOptions {
  host: string;
  port: number;
  handler: RequestListener;
}

const HEADERS_LIMIT_MS = 10_000;
const REQUEST_LIMIT_MS = 30_000;
// Longer than clients and proxies keep an idle connection, so that they never write into one that we just closed.
/** Connections that wait to be accepted: of more than Node's 511 callers at once, the rest would be reset. */
const BACKLOG = 4_096;
const KEEP_ALIVE_MS = 75_000;
const CONNECTIONS_CHECK_MS = 2_000;
const DRAIN_SWEEP_MS = 100;

export function createHttpServer({ host, port, handler }: HttpServerOptions): HttpServer {
  const broken = createBrokenRequests();
  const answer: RequestListener = (req, res) => {
    broken.watch(res);
    handler(req, res);
  };
  const server: Server = createServer(
    {
      headersTimeout: HEADERS_LIMIT_MS,
      requestTimeout: REQUEST_LIMIT_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: CONNECTIONS_CHECK_MS,
      // Node would answer without a body; who may leave it out is the handler's to say.
      requireHostHeader: false,
    },
    answer,
  );

  server.on('clientError', broken.answer);
  // Else Node answers 417, without a body, to an expectation other than 100-continue.
  server.on('checkExpectation', answer);

  return {
    listen: () =>
      new Promise((resolve, reject) => {
        server.once('error', (error: NodeJS.ErrnoException) => reject(toListenError(error, host, port)));
        server.listen({ port, host, backlog: BACKLOG }, () =>
          resolve((server.address() as AddressInfo).port),
        );
      }),
    drain: () =>
      new Promise((resolve) => {
        // Node leaves a connection open that its client keeps and that becomes idle only after close().
        const sweeper = setInterval(() => server.closeIdleConnections(), DRAIN_SWEEP_MS);
        server.close(() => {
          clearInterval(sweeper);
          resolve();
        });
        server.closeIdleConnections();
      }),
    destroy: () => server.closeAllConnections(),
  };
}

function toListenError(error: NodeJS.ErrnoException, host: string, port: number): Error {
  if (error.code === 'EADDRINUSE') {
    return new Error(`Port ${port} on ${host} is in use. Stop what uses it, or set PORT to another.`, {
      cause: error,
    });
  }
  if (error.code === 'EACCES')
    return new Error(`Port ${port} needs more rights. Set PORT above 1023.`, { cause: error });
  return new Error(`Cannot listen on ${host}:${port}: ${error.message}`, { cause: error });
}
