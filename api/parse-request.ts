import type { z } from 'zod';
import { AppError } from '../core/errors.ts';

/** `value` as `schema` describes it. Throws AppError `invalid_request` that names the first field that is wrong. */
export function parseRequest<Schema extends z.ZodType>(schema: Schema, value: unknown): z.infer<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
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
