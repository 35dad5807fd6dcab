import { AppError } from '../../core/errors.ts';

export type Fields = Record<string, unknown>;

/** A request's body. Throws AppError `invalid_request` when it is not a JSON object. */
export function parseBody(text: string): Fields {
  try {
    const value: unknown = JSON.parse(text);
    if (isFields(value)) return value;
  } catch (cause) {
    throw new AppError('invalid_request', 'The body is not valid JSON.', { cause });
  }
  throw new AppError('invalid_request', 'The body must be a JSON object.');
}

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isStrings(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}

export function isIntegers(value: unknown): value is number[] {
  return Array.isArray(value) && value.every(Number.isInteger);
}

export function wrongField(param: string, rule: string): AppError {
  return new AppError('invalid_request', `'${param}' must be ${rule}.`, { param });
}

export function requireModelName(body: Fields): string {
  if (typeof body.model === 'string' && body.model !== '') return body.model;
  throw new AppError('invalid_request', 'You must provide a model parameter.', { param: 'model' });
}

/** A whole number from `min` to `max`, or undefined when absent or null. */
export function parseInteger(body: Fields, name: string, [min, max]: [number, number]): number | undefined {
  const value = body[name] ?? undefined;
  if (value === undefined) return undefined;
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value;
  throw wrongField(name, `a whole number from ${min} to ${max}`);
}

export function parseFlag(body: Fields, name: string): boolean {
  const value = body[name] ?? false;
  if (typeof value === 'boolean') return value;
  throw wrongField(name, 'true or false');
}
