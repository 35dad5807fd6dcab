import { errors } from 'undici';
import { BackendFailure } from '../core/backend-failure.ts';

/** How far a request had come when its connection failed: without one, sent, or with an answer begun. */
type Progress = 'unconnected' | 'sent' | 'answered';

/** How an error of the connection reads to the caller. */
export function toTransportFailure(error: unknown, progress: Progress): BackendFailure {
  if (error instanceof BackendFailure) return error;
  if (isNotHttp(error)) {
    return new BackendFailure('malformed', 'The model server did not answer in HTTP.', { cause: error });
  }
  if (progress === 'answered') {
    return new BackendFailure('cut', 'The model server broke off its answer.', { cause: error });
  }
  return new BackendFailure('unreachable', 'The model server could not be reached.', {
    cause: error,
    reached: progress !== 'unconnected',
  });
}

function isNotHttp(error: unknown): boolean {
  if (error instanceof errors.HeadersOverflowError) return true;
  // The parser also reports a body that ends within a chunk, which is a cut; only its text tells the two apart.
  return error instanceof errors.HTTPParserError && !error.message.includes('Invalid EOF state');
}
