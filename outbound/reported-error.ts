import { z } from 'zod';
import type { ReportedError } from '../core/backend-failure.ts';

const TEXT_CHARS_MAX = 4_000;

const Text = z.string().transform((text) => text.slice(0, TEXT_CHARS_MAX));
const OptionalText = Text.nullish().catch(null);
const Code = z.union([z.string(), z.int()]).nullish().catch(null);

const ErrorObject = z
  .object({ message: Text, type: OptionalText, param: OptionalText, code: Code })
  .transform(({ message, type, param, code }) => reported(message, { type, param, code }));

const Issue = z.object({ msg: z.string(), loc: z.array(z.union([z.string(), z.number()])).catch([]) });

/** The shapes in which model servers report an error. */
const ErrorBody = z.union([
  // OpenAI, vLLM, llama.cpp, SGLang
  z.object({ error: ErrorObject }).transform(({ error }) => error),
  // Ollama, LM Studio
  z.object({ error: Text }).transform(({ error }) => reported(error)),
  // vLLM until 0.10
  z.intersection(z.object({ object: z.literal('error') }), ErrorObject),
  // FastAPI
  z.object({ detail: Text }).transform(({ detail }) => reported(detail)),
  z.object({ detail: z.array(Issue).min(1) }).transform(({ detail }) => fromIssues(detail)),
]);

/** What `body` (parsed JSON) says went wrong; undefined when it has none of the known shapes. */
export function readReportedError(body: unknown): ReportedError | undefined {
  const parsed = ErrorBody.safeParse(body);
  return parsed.success ? pick(parsed.data) : undefined;
}

/** The HTTP status that an error inside an answer with status 200 names: vLLM sends `{"error":{"code":400}}`. */
export function readNamedStatus(body: object): number | undefined {
  const error = 'error' in body && isObject(body.error) ? body.error : body;
  return [field(error, 'code'), field(error, 'status')].find(isErrorStatus);
}

function reported(
  message: string,
  rest: { type?: unknown; param?: unknown; code?: unknown } = {},
): ReportedError {
  const { type, param, code } = rest;
  return {
    message,
    type: typeof type === 'string' ? type : null,
    param: typeof param === 'string' ? param : null,
    code: code === null || code === undefined ? null : String(code).slice(0, TEXT_CHARS_MAX),
  };
}

function fromIssues(issues: z.infer<typeof Issue>[]): ReportedError {
  const [first] = issues;
  const text = issues.map(({ loc, msg }) => (loc.length > 0 ? `${loc.join('.')}: ${msg}` : msg)).join('; ');
  return reported(text.slice(0, TEXT_CHARS_MAX), { param: first?.loc.join('.') });
}

// The intersection of vLLM's old shape carries its `object` member along.
function pick({ message, type, param, code }: ReportedError): ReportedError {
  return { message, type, param, code };
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function field(value: object, name: string): unknown {
  return (value as Record<string, unknown>)[name];
}

function isErrorStatus(value: unknown): value is number {
  return Number.isInteger(value) && Number(value) >= 400 && Number(value) <= 599;
}
