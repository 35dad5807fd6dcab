import { maskSecrets } from './mask-secrets.ts';

/** What may be logged beside a message. Objects are left out on purpose: a body or a header set cannot slip in. */
export type LogFields = Record<string, string | number | boolean | null | undefined | Error>;

type SafeValue = string | number | boolean | null | undefined | SafeError;

interface SafeError {
  type: string;
  message: string;
  code?: string;
  stack?: string;
  cause?: SafeError;
}

const TEXT_LENGTH_MAX = 2_000;
const CAUSES_MAX = 3;
// The line's own members; a field of the same name would stand in it twice.
const RESERVED = new Set(['level', 'time', 'pid', 'message']);

/** The fields as they may leave the process: texts masked and cut, errors as plain objects. */
export function toSafeFields(fields: LogFields): Record<string, SafeValue> {
  const safe: Record<string, SafeValue> = {};
  for (const [name, value] of Object.entries(fields)) {
    safe[RESERVED.has(name) ? `${name}_` : name] = toSafeValue(value);
  }
  return safe;
}

/** `text` masked and cut at 2 000 characters. */
export function toSafeText(text: string): string {
  // Masked before the last cut, which could split a secret so that it is no longer seen as one.
  const masked = maskSecrets(text.slice(0, 4 * TEXT_LENGTH_MAX));
  if (masked.length <= TEXT_LENGTH_MAX && text.length <= 4 * TEXT_LENGTH_MAX) return masked;
  return `${masked.slice(0, TEXT_LENGTH_MAX)}… (${text.length} characters)`;
}

function toSafeValue(value: LogFields[string]): SafeValue {
  if (value instanceof Error) return toSafeError(value, CAUSES_MAX);
  return typeof value === 'string' ? toSafeText(value) : value;
}

function toSafeError(error: Error, causesLeft: number): SafeError {
  const { cause, code } = error as Error & { code?: unknown };
  return {
    type: error.name,
    message: toSafeText(error.message),
    code: typeof code === 'string' || typeof code === 'number' ? String(code) : undefined,
    stack: error.stack === undefined ? undefined : toSafeText(error.stack),
    cause: cause === undefined || causesLeft === 0 ? undefined : toSafeCause(cause, causesLeft - 1),
  };
}

function toSafeCause(cause: unknown, causesLeft: number): SafeError {
  if (cause instanceof Error) return toSafeError(cause, causesLeft);
  return { type: typeof cause, message: typeof cause === 'string' ? toSafeText(cause) : '' };
}
