import { AppError } from '../core/errors.ts';
import type { Json } from '../core/json-value.ts';
import { createJsonSchemaCheck, type JsonSchemaCheck } from './json-schema.ts';
import type { JsonSchema } from './step.ts';

export type OutputCheck = { ok: true; json: Json } | { ok: false; problems: string };

const TEXT_CHARS_MAX = 4_194_304;
// A plan's schemas live as long as the plan, and are compiled once.
const checks = new WeakMap<JsonSchema, JsonSchemaCheck>();

/**
 * Whether a model's answer is JSON that fits `schema`: as it stands, or in one code fence. `problems` is written for the
 * model, to be asked again with. Throws AppError `invalid_request` when the schema is none.
 */
export function checkOutput(schema: JsonSchema, text: string): OutputCheck {
  const check = checkFor(schema);
  if (text.length > TEXT_CHARS_MAX) return { ok: false, problems: 'The answer is longer than 4 MiB.' };
  const json = parse(withoutFence(text));
  if (json === undefined) {
    return {
      ok: false,
      problems: 'The answer is not valid JSON. Answer with the JSON only, without any other text.',
    };
  }
  const problems = describe(check, json);
  return problems === null ? { ok: true, json } : { ok: false, problems };
}

function checkFor(schema: JsonSchema): JsonSchemaCheck {
  const known = checks.get(schema);
  if (known) return known;
  const check = createJsonSchemaCheck(schema);
  checks.set(schema, check);
  return check;
}

/** What is inside the first fence, when there is one; models like to explain before and after it. */
function withoutFence(text: string): string {
  const open = text.indexOf('```');
  if (open === -1 || isJsonStart(text)) return text;
  const start = text.indexOf('\n', open);
  const close = start === -1 ? -1 : text.indexOf('```', start);
  return close === -1 ? text.slice(open + 3) : text.slice(start + 1, close);
}

const isJsonStart = (text: string) => /^\s*["{[]/.test(text);

function parse(text: string): Json | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function describe(check: JsonSchemaCheck, json: Json): string | null {
  try {
    const problems = check(json);
    if (problems.length === 0) return null;
    return problems.map(({ path, message }) => `${path} ${message}`).join('\n');
  } catch (error) {
    if (error instanceof AppError) return error.message;
    throw error;
  }
}
