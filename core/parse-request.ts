import type { z } from 'zod';
import { AppError } from './errors.ts';

const NAME_CHARS_MAX = 100;

/** `value` as `schema` describes it. Throws AppError `invalid_request` that names the first field that is wrong. */
export function parseRequest<Schema extends z.ZodType>(schema: Schema, value: unknown): z.infer<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  if (issue?.code === 'unrecognized_keys') {
    const param = toParam([...issue.path, ...issue.keys.slice(0, 1)]);
    throw new AppError('invalid_request', `'${param?.slice(0, NAME_CHARS_MAX)}' is not known here.`, {
      param,
    });
  }
  const param = issue ? toParam(issue.path) : null;
  const at = param === null ? 'The request' : `'${param}'`;
  throw new AppError('invalid_request', `${at} is wrong: ${issue?.message ?? 'it has the wrong form'}.`, {
    param,
  });
}

/** `['messages', 0, 'role']` → `messages[0].role`. */
function toParam(path: readonly PropertyKey[]): string | null {
  if (path.length === 0) return null;
  return path
    .map((part, index) => (typeof part === 'number' ? `[${part}]` : `${index > 0 ? '.' : ''}${String(part)}`))
    .join('');
}
