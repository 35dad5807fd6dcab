import { BackendFailure } from '../core/backend-failure.ts';
import type { AnswerLine, AnswerReader } from './answer-reader.ts';
import { createErrorReader, createJsonReader } from './document-readers.ts';
import { parseRetryAfter } from './retry-after.ts';
import { createStreamReader } from './stream-reader.ts';

interface AnswerHead {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  bytesMax: number;
  line: AnswerLine;
}

/** The reader for a body with this head. Throws BackendFailure when no body could make it an answer. */
export function openAnswerReader({ status, headers, bytesMax, line }: AnswerHead): AnswerReader {
  if (status !== 200) return createErrorReader(status, parseRetryAfter(headers['retry-after'], new Date()));

  // We asked for none, and a small compressed body may be a huge one.
  if ((headers['content-encoding'] ?? 'identity') !== 'identity') {
    throw new BackendFailure('malformed', 'The model server compressed its answer.');
  }
  if (Number(headers['content-length'] ?? 0) > bytesMax) {
    throw new BackendFailure('too_large', "The model server's answer is too large.");
  }
  const type = String(headers['content-type']).split(';', 1)[0]?.trim().toLowerCase();
  if (type === 'text/event-stream') return createStreamReader(line);
  if (type === 'application/json') return createJsonReader(line);
  throw new BackendFailure('malformed', 'The model server answered with neither JSON nor an event stream.');
}
