// I1: a raw answer never lands in the middle of another one, and is never taken for that of an earlier request.
import type { ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { AppError, toErrorBody } from '../core/errors.ts';
import { newRequestId } from '../core/ids.ts';

/** Answers what Node cannot parse: it never reaches a handler, and Node would answer it without a body. */
export interface BrokenRequests {
  /** To be told of the response to each request that Node could parse. */
  watch(res: ServerResponse): void;
  /** For the server's `clientError`. Closes the connection, with an answer where there is a place for one (I1). */
  answer(error: NodeJS.ErrnoException, socket: Duplex): void;
}

export function createBrokenRequests(): BrokenRequests {
  const newest = new WeakMap<Duplex, ServerResponse>();

  return {
    watch(res) {
      const { socket } = res.req;
      newest.set(socket, res);
      // Else a connection that is idle would keep its last request, body and all.
      res.once('close', () => {
        if (newest.get(socket) === res) newest.delete(socket);
      });
    },
    answer(error, socket) {
      const res = newest.get(socket);
      if (error.code === 'ECONNRESET' || !socket.writable || (res && isOwed(res))) {
        socket.destroy();
        return;
      }
      socket.end(toRawAnswer(error.code));
    },
  };
}

/** Whether the client is still to get this answer, or the rest of it, in place of one to what it sent just now. */
function isOwed(res: ServerResponse): boolean {
  // Without a socket it waits behind an earlier answer on the same connection.
  if (!res.socket) return true;
  // A body that breaks off is the fault of this very request.
  return res.headersSent ? !res.writableEnded : res.req.complete;
}

const KNOWN: Record<string, { line: string; error: AppError }> = {
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

function toRawAnswer(code: string | undefined): string {
  const { line, error } = KNOWN[code ?? ''] ?? NOT_HTTP;
  const body = JSON.stringify(toErrorBody(error));
  const head = `HTTP/1.1 ${line}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}`;
  return `${head}\r\nx-request-id: ${newRequestId()}\r\nconnection: close\r\n\r\n${body}`;
}
