import { toAppError } from '../core/errors.ts';
import type { StepError } from './run-state.ts';

const MESSAGE_CHARS_MAX = 2_000;

/** What was thrown while an expression was evaluated, which it would be again. */
export function toFatalError(thrown: unknown): StepError {
  const { code, message } = toAppError(thrown);
  return { code, message: message.slice(0, MESSAGE_CHARS_MAX), class: 'fatal' };
}

/** What an event says of it; event data has a limit of its own. */
export const toEventError = ({ code, message, class: failure }: StepError) => ({
  code,
  message: message.slice(0, MESSAGE_CHARS_MAX),
  class: failure,
});
