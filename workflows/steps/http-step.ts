import { AppError } from '../../core/errors.ts';
import type { Json } from '../../core/json-value.ts';
import { parseDuration } from '../duration.ts';
import type { HttpCallAnswer, HttpCalls } from '../http-calls.ts';
import type { StepError } from '../run-state.ts';
import type { StepAttempt, StepExecutor } from '../step-executor.ts';

const BODY_BYTES_MAX = 4_194_304;
const TIMEOUT_MS = 30_000;

const RATE_LIMITED = 429;
const SERVER_FAILED = 500;

/** Steps of type `http`. Any answer below 500 but 429 is one: what it means is the workflow's to say. */
export function createHttpStep(http: HttpCalls): StepExecutor {
  return async (attempt, signal) => {
    const { fields, step } = attempt;
    const answer = await http.call(
      {
        method: String(fields.method),
        url: String(fields.url),
        headers: headersOf(attempt),
        body: bodyOf(fields.body),
        timeoutMs: step.timeout === undefined ? TIMEOUT_MS : parseDuration(step.timeout),
        bytesMax: BODY_BYTES_MAX,
      },
      signal,
    );
    const facts = { status: answer.status };
    if (answer.status === RATE_LIMITED || answer.status >= SERVER_FAILED) {
      return { status: 'failed', error: toError(answer), tokens: 0, facts };
    }
    const output = { status: answer.status, headers: answer.headers, body: readBody(answer) };
    return { status: 'succeeded', output, tokens: 0, facts };
  };
}

function headersOf({ fields, idempotencyKey, trace }: StepAttempt): Record<string, string> {
  const given = Object.entries((fields.headers ?? {}) as { [name: string]: Json });
  const headers: Record<string, string> = { 'idempotency-key': idempotencyKey, ...trace };
  if (fields.body !== undefined && typeof fields.body !== 'string')
    headers['content-type'] = 'application/json';
  for (const [name, value] of given) {
    if (typeof value !== 'string') {
      throw new AppError('invalid_request', `The header ${name} is no text.`, { param: 'headers' });
    }
    headers[name.toLowerCase()] = value;
  }
  return headers;
}

function bodyOf(body: Json | undefined): string | null {
  if (body === undefined) return null;
  return typeof body === 'string' ? body : JSON.stringify(body);
}

function readBody({ headers, body }: HttpCallAnswer): Json {
  if (!/\bjson\b/i.test(headers['content-type'] ?? '')) return body;
  try {
    return JSON.parse(body);
  } catch {
    return body;
  }
}

function toError({ status, retryAfterSeconds }: HttpCallAnswer): StepError {
  const error: StepError = {
    code: `http_${status}`,
    message: `The server answered ${status}.`,
    class: status === RATE_LIMITED ? 'rate_limited' : 'transient',
  };
  return retryAfterSeconds === undefined ? error : { ...error, retryAfterMs: retryAfterSeconds * 1_000 };
}
