import { BackendFailure } from '../core/backend-failure.ts';
import type { AnswerLine, AnswerReader } from './answer-reader.ts';
import { createByteCollector } from './byte-collector.ts';
import { readReportedError } from './reported-error.ts';

// Fewer bytes do not start the clock anew, so that a trickle of single bytes ends.
const PROGRESS_BYTES = 1_024;
const ERROR_BODY_BYTES_MAX = 64 * 1_024;

/** Reads one JSON object. Its text is passed on unchanged: parsing would round long numbers. */
export function createJsonReader(line: AnswerLine): AnswerReader {
  const body = createByteCollector();
  let progressAtBytes = 0;

  return {
    push(chunk) {
      body.append(chunk);
      if (body.sizeBytes < progressAtBytes) return;
      progressAtBytes = body.sizeBytes + PROGRESS_BYTES;
      line.progress();
    },
    end() {
      const text = body.text();
      if (!isObjectText(text)) {
        throw new BackendFailure('malformed', 'The model server sent an answer that is not a JSON object.');
      }
      line.answer({ kind: 'json', text });
    },
  };
}

function isObjectText(text: string): boolean {
  const value = parseJson(text);
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Reads the body of a status other than 200, of which it keeps what it says of the error. */
export function createErrorReader(status: number, retryAfterSeconds: number | undefined): AnswerReader {
  const body = createByteCollector();

  const verdict = () =>
    new BackendFailure('status', `The model server answered ${status}.`, {
      status,
      retryAfterSeconds,
      reported: readReportedError(parseJson(body.text())),
    });

  return {
    push(chunk) {
      body.append(chunk.subarray(0, ERROR_BODY_BYTES_MAX - body.sizeBytes));
      if (body.sizeBytes >= ERROR_BODY_BYTES_MAX) throw verdict();
    },
    end() {
      throw verdict();
    },
    verdict,
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
