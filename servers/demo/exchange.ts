import type { IncomingMessage, ServerResponse } from 'node:http';
import { AppError, toAppError, toErrorBody } from '../../core/errors.ts';
import { documentScript } from './answer-scripts.ts';
import type { SeenRequest } from './seen-requests.ts';
import { playScript, type WireScript } from './wire-script.ts';

const BODY_BYTES_MAX = 64 * 1024 * 1024;

/** One request and what becomes of it. */
export interface Exchange {
  /** Calls `take` with the body once it is there. A body of more than 64 MiB is refused. */
  readBody(take: (text: string) => void): void;
  /** Plays what `plan` answers; an AppError that it throws becomes the answer. */
  play(plan: () => WireScript): void;
}

/** Keeps `seen` true to what becomes of the request; `isStopping` tells a client that left from one we dropped. */
export function openExchange(
  req: IncomingMessage,
  res: ServerResponse,
  seen: SeenRequest,
  isStopping: () => boolean,
): Exchange {
  let isBroken = false;
  let stopPlay = () => {};
  // A socket that dies under the body or the answer also closes `res`, where it is dealt with.
  req.on('error', () => {});
  res.on('error', () => {});
  res.once('close', () => {
    stopPlay();
    seen.finished = res.writableFinished;
    seen.aborted = !seen.finished && !isBroken && !isStopping();
  });

  function play(plan: () => WireScript): void {
    stopPlay = playScript(res, orRefusal(plan), () => {
      isBroken = true;
    });
  }

  return {
    play,
    readBody(take) {
      const chunks: Buffer[] = [];
      let sizeBytes = 0;
      req.on('data', (chunk: Buffer) => {
        sizeBytes += chunk.length;
        if (sizeBytes <= BODY_BYTES_MAX) chunks.push(chunk);
        else chunks.length = 0;
      });
      req.once('end', () => {
        if (sizeBytes <= BODY_BYTES_MAX) return take(Buffer.concat(chunks).toString());
        play(() => {
          throw new AppError('payload_too_large', `The body is larger than ${BODY_BYTES_MAX} bytes.`);
        });
      });
    },
  };
}

function orRefusal(plan: () => WireScript): WireScript {
  try {
    return plan();
  } catch (thrown) {
    const error = toAppError(thrown);
    const script = documentScript(JSON.stringify(toErrorBody(error)));
    return { ...script, head: { status: error.status, headers: script.head?.headers ?? {} } };
  }
}
