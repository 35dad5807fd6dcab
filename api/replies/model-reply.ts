import type { Response } from 'express';
import type { AppError } from '../../core/errors.ts';
import { toErrorBody } from '../../core/errors.ts';
import type { JobId } from '../../core/ids.ts';
import type { AnswerFacts } from '../../jobs/reply-bus.ts';
import type { Place } from '../../jobs/waiting-line.ts';
import { sendError } from './error-reply.ts';
import { SSE_HEADERS } from './event-stream.ts';
import { sendJson, setProcessingTime } from './json-reply.ts';

/** Writes the answer of one model call to its client. */
export interface ModelReply {
  /** Tells the client of a stream where it stands: the head leaves, and one comment line. */
  queued(place: Place): void;
  /** Sends the head of a stream; where that has left already, its facts as a comment. */
  begin(facts: ReplyFacts): void;
  /** Sends pieces of a stream. False when the client reads so slowly that the answer cannot be kept for it. */
  chunks(data: string[]): boolean;
  /** Ends it: with the body of an answer that is not streamed, or the stream's `[DONE]`. */
  done(body: string | null, facts: ReplyFacts): void;
  failed(error: AppError, facts: ReplyFacts): void;
}

type ReplyFacts = Pick<AnswerFacts, 'server' | 'attempts'> & { queuedMs: number | null };

/** Text that waits in this process for one slow reader. */
const UNREAD_BYTES_MAX = 1_000_000;

export function createModelReply(res: Response, jobId: JobId, model: string): ModelReply {
  return {
    queued({ position, etaMs, isPaused }) {
      if (!res.headersSent) {
        res.setHeader('x-citadel-job-id', jobId);
        setProcessingTime(res);
        res.writeHead(200, SSE_HEADERS);
      }
      const eta = etaMs === null ? '' : ` eta_ms=${etaMs}`;
      res.write(`: queued position=${position}${eta}${isPaused ? ' paused=true' : ''}\n\n`);
    },
    begin(facts) {
      if (res.headersSent) {
        const pairs = Object.entries(headersOf(facts)).map(([name, value]) => `${name}=${value}`);
        res.write(`: ${pairs.join(' ')}\n\n`);
        return;
      }
      setFacts(facts);
      setProcessingTime(res);
      res.writeHead(200, SSE_HEADERS);
    },
    chunks(data) {
      let text = '';
      for (const chunk of data) text += `data: ${chunk}\n\n`;
      res.write(text);
      return res.writableLength <= UNREAD_BYTES_MAX;
    },
    done(body, facts) {
      if (body === null) {
        res.end('data: [DONE]\n\n');
        return;
      }
      setFacts(facts);
      sendJson(res, 200, body);
    },
    failed(error, facts) {
      if (res.headersSent) {
        res.end(`data: ${JSON.stringify(toErrorBody(error))}\n\n`);
        return;
      }
      setFacts(facts);
      sendError(res, error);
    },
  };

  function setFacts(facts: ReplyFacts): void {
    for (const [name, value] of Object.entries(headersOf(facts))) res.setHeader(name, value);
  }

  function headersOf({ server, attempts, queuedMs }: ReplyFacts): Record<string, string | number> {
    return {
      'x-citadel-job-id': jobId,
      'x-citadel-model': toHeaderText(model),
      'x-citadel-attempts': attempts,
      ...(server !== null && { 'x-citadel-server': server }),
      ...(queuedMs !== null && { 'x-citadel-queue-ms': Math.round(queuedMs) }),
    };
  }
}

// Servers name their models as they like, and a header takes no other letters.
function toHeaderText(text: string): string {
  return /^[\x21-\x7e]*$/.test(text) ? text : encodeURIComponent(text.toWellFormed());
}
