import type { Request } from 'express';
import { AppError } from '../core/errors.ts';
import { Priority } from '../core/schemas/priority.ts';

/** What a caller asks of Citadel itself, beside what it asks of the model. */
export interface RequestOptions {
  priority: Priority;
  /** The longest the request may wait for its turn; null when the caller did not say. */
  maxWaitMs: number | null;
  /** What becomes of the call when the caller leaves; null when it did not say. */
  onDisconnect: 'cancel' | 'finish' | null;
}

const PRIORITY = 'x-citadel-priority';
const MAX_WAIT = 'x-citadel-max-wait-ms';
const ON_DISCONNECT = 'x-citadel-on-disconnect';
const MAX_WAIT_MS_MAX = 86_400_000;

/**
 * The options of a model call, from its headers or, under the same names, from its `metadata`. OpenAI's clients send the
 * seconds after which they give up as `X-Stainless-Timeout`: waiting for longer would be for nobody. Throws AppError
 * `invalid_request` that names the option.
 */
export function readRequestOptions(
  req: Pick<Request, 'get'>,
  metadata: Record<string, unknown> | null | undefined,
): RequestOptions {
  const option = (name: string): unknown => req.get(name) ?? metadata?.[name];
  const limits = [readMaxWait(option(MAX_WAIT)), readTimeout(req.get('x-stainless-timeout'))];
  const known = limits.filter((limit) => limit !== null);
  return {
    priority: readPriority(option(PRIORITY)),
    maxWaitMs: known.length === 0 ? null : Math.min(...known),
    onDisconnect: readOnDisconnect(option(ON_DISCONNECT)),
  };
}

function readPriority(value: unknown): Priority {
  if (value === undefined) return 'normal';
  const parsed = Priority.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new AppError('invalid_request', `'${PRIORITY}' takes ${Priority.options.join(', ')}.`, {
    param: PRIORITY,
  });
}

function readMaxWait(value: unknown): number | null {
  if (value === undefined) return null;
  const ms = typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : value;
  if (typeof ms === 'number' && Number.isInteger(ms) && ms >= 0 && ms <= MAX_WAIT_MS_MAX) return ms;
  throw new AppError('invalid_request', `'${MAX_WAIT}' takes whole ms from 0 to ${MAX_WAIT_MS_MAX}.`, {
    param: MAX_WAIT,
  });
}

function readOnDisconnect(value: unknown): RequestOptions['onDisconnect'] {
  if (value === undefined) return null;
  if (value === 'cancel' || value === 'finish') return value;
  throw new AppError('invalid_request', `'${ON_DISCONNECT}' takes cancel or finish.`, {
    param: ON_DISCONNECT,
  });
}

// A client library sets it, not a person: what it does not mean as seconds is no reason to refuse.
function readTimeout(text: string | undefined): number | null {
  const seconds = Number(text);
  return text !== undefined && Number.isFinite(seconds) && seconds > 0 ? Math.round(seconds * 1000) : null;
}
