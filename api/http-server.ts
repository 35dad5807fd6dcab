import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { AppError, toErrorBody } from '../core/errors.ts';
import { newRequestId } from '../core/ids.ts';

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
const KEEP_ALIVE_MS = 75_000;
const CONNECTIONS_CHECK_MS = 2_000;
const DRAIN_SWEEP_MS = 100;

export function createHttpServer({ host, port, handler }: HttpServerOptions): HttpServer {
  const server: Server = createServer(
    {
      headersTimeout: HEADERS_LIMIT_MS,
      requestTimeout: REQUEST_LIMIT_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: CONNECTIONS_CHECK_MS,
      // Node would answer without a body; who may leave it out is the handler's to say.
      requireHostHeader: false,
    },
    handler,
  );

  server.on('clientError', answerBrokenRequest);
  // Else Node answers 417, without a body, to an expectation other than 100-continue.
  server.on('checkExpectation', handler);

  return {
    listen: () =>
      new Promise((resolve, reject) => {
        server.once('error', (error: NodeJS.ErrnoException) => reject(toListenError(error, host, port)));
        server.listen(port, host, () => resolve((server.address() as AddressInfo).port));
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

const BROKEN_REQUESTS: Record<string, { line: string; error: AppError }> = {
  ERR_HTTP_REQUEST_TIMEOUT: {
    line: '408 Request Timeout',
    error: new AppError('request_timeout', 'The request did not arrive in time.'),
  },
  HPE_HEADER_OVERFLOW: {
    line: '431 Request Header Fields Too Large',
    error: new AppError('invalid_request', 'The request has too many or too long headers.'),
  },
};

const NOT_HTTP = {
  line: '400 Bad Request',
  error: new AppError('invalid_request', 'The request is not valid HTTP.'),
};

// What Node cannot parse never reaches a handler, and would be answered without a body.
function answerBrokenRequest(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const { line, error: appError } = BROKEN_REQUESTS[error.code ?? ''] ?? NOT_HTTP;
  const body = JSON.stringify(toErrorBody(appError));
  const head = `HTTP/1.1 ${line}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}`;
  socket.end(`${head}\r\nx-request-id: ${newRequestId()}\r\nconnection: close\r\n\r\n${body}`);
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
