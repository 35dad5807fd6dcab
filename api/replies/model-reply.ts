import type { Response } from 'express';
import type { AppError } from '../../core/errors.ts';
import { toErrorBody } from '../../core/errors.ts';
import type { JobId } from '../../core/ids.ts';
import type { AnswerFacts } from '../../jobs/reply-bus.ts';
import { sendError } from './error-reply.ts';
import { sendJson, setProcessingTime } from './json-reply.ts';

/** Writes the answer of one model call to its client. */
export interface ModelReply {
  /** Sends the head of a stream. */
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

const SSE_HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-cache, no-transform',
  // Or nginx would hold the tokens back.
  'x-accel-buffering': 'no',
} as const;

export function createModelReply(res: Response, jobId: JobId): ModelReply {
  return {
    begin(facts) {
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

  function setFacts({ server, attempts, queuedMs }: ReplyFacts): void {
    res.setHeader('x-citadel-job-id', jobId);
    res.setHeader('x-citadel-attempts', attempts);
    if (server !== null) res.setHeader('x-citadel-server', server);
    if (queuedMs !== null) res.setHeader('x-citadel-queue-ms', Math.round(queuedMs));
  }
}
