import { z } from 'zod';
import { AppError } from '../core/errors.ts';
import type { MetadataCondition } from './visible-chunks.ts';

type Operator = MetadataCondition['operator'];

const CONDITIONS_MAX = 32;
const LIST_MAX = 1_000;
const TEXT_CHARS_MAX = 1_024;

const Text = z.string().max(TEXT_CHARS_MAX);
const Scalar = z.union(
  [Text, z.number(), z.boolean(), z.null()],
  'takes a text, a number, true, false or null',
);
const List = z.array(Scalar).max(LIST_MAX);
const Ordered = z.union([Text, z.number()], 'takes a text or a number');

const VALUES = {
  eq: Scalar,
  ne: Scalar,
  in: List,
  nin: List,
  gt: Ordered,
  gte: Ordered,
  lt: Ordered,
  lte: Ordered,
} as const satisfies Record<Operator, z.ZodType<MetadataCondition['value']>>;

/**
 * The conditions of a search's `filter`: `{field: value | {$eq, $ne, $in, $nin, $gt, $gte, $lt, $lte: value}}`, all of which
 * must hold. Throws AppError `invalid_request` for anything else.
 */
export function parseFilter(filter: unknown): MetadataCondition[] {
  if (filter === undefined || filter === null) return [];
  if (!isObject(filter)) throw wrong('filter', 'takes an object');
  const conditions = Object.entries(filter).flatMap(([field, value]) => parseField(field, value));
  if (conditions.length <= CONDITIONS_MAX) return conditions;
  throw wrong('filter', `takes at most ${CONDITIONS_MAX} conditions`);
}

function parseField(field: string, value: unknown): MetadataCondition[] {
  const param = `filter.${field.slice(0, 100)}`;
  if (field.startsWith('$')) throw wrong(param, 'is no field: operators stand inside a field');
  if (!isObject(value)) return [parseCondition(param, { field, operator: 'eq', value })];
  const entries = Object.entries(value);
  if (entries.length === 0) throw wrong(param, 'has no operator');
  return entries.map(([name, operand]) => {
    const operator = name.slice(1);
    if (!name.startsWith('$') || !isOperator(operator)) {
      const known = Object.keys(VALUES).map((one) => `$${one}`);
      throw wrong(`${param}.${name.slice(0, 100)}`, `is not one of ${known.join(', ')}`);
    }
    return parseCondition(`${param}.${name}`, { field, operator, value: operand });
  });
}

function parseCondition(
  param: string,
  { field, operator, value }: { field: string; operator: Operator; value: unknown },
): MetadataCondition {
  const parsed = VALUES[operator].safeParse(value);
  if (!parsed.success) throw wrong(param, parsed.error.issues[0]?.message ?? 'has the wrong form');
  return { field, operator, value: parsed.data };
}

function isOperator(name: string): name is Operator {
  return Object.hasOwn(VALUES, name);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function wrong(param: string, message: string): AppError {
  return new AppError('invalid_request', `'${param}' is wrong: ${message}.`, { param });
}
