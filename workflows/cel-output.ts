import type { Json } from '../core/json-value.ts';
import { memberUnits } from './member-counts.ts';
import type { Meter } from './meter.ts';

/** Values of the library that are not JSON by themselves. */
export interface CelTypes {
  /** The text or number that stands for `value` in JSON; undefined when it is of no such type. */
  toPlain(value: object): unknown;
}

// With this, all results that are evaluated together are at most 8 MiB of text.
const TEXT_CHARS_PER_UNIT = 32;

/**
 * What an expression gave, as JSON: whole numbers as numbers, times as RFC 3339, a missing optional as null. The
 * evaluation fails for whole numbers beyond 2^53, for NaN and infinities, and for values that JSON has no form for.
 */
export function toJson(value: unknown, meter: Meter, types: CelTypes): Json {
  switch (typeof value) {
    case 'boolean':
      return value;
    case 'string':
      meter.spend(value.length / TEXT_CHARS_PER_UNIT);
      return value;
    case 'number':
      if (!Number.isFinite(value)) meter.fail(`The expression gives ${value}, which is no number in JSON.`);
      // JSON has no -0.
      return value === 0 ? 0 : value;
    case 'bigint':
      return toSafeNumber(value, meter);
    case 'object':
      return value === null ? null : objectToJson(value, meter, types);
    default:
      return null;
  }
}

function toSafeNumber(value: bigint, meter: Meter): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number)) {
    meter.fail(`The expression gives a whole number beyond 2^53, which JSON cannot hold exactly.`);
  }
  return number;
}

function objectToJson(value: object, meter: Meter, types: CelTypes): Json {
  if (Array.isArray(value)) {
    meter.spend(1 + value.length / 3);
    return value.map((item) => toJson(item, meter, types));
  }
  if (value.constructor !== Object && value.constructor !== undefined) {
    const plain = types.toPlain(value);
    if (plain === undefined) meter.fail('The expression gives a value that JSON has no form for.');
    return toJson(plain, meter, types);
  }
  const entries = Object.entries(value);
  meter.spend(2 + entries.length / 2 + memberUnits(entries.length));
  return Object.fromEntries(entries.map(([key, member]) => [key, toJson(member, meter, types)]));
}
