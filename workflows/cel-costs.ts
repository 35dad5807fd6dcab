import type { CelNode } from './cel-nodes.ts';
import { callOf } from './cel-nodes.ts';
import { countMembers, isPlainObject, memberUnits } from './member-counts.ts';
import type { Meter } from './meter.ts';

/** What is charged for an operation, in a meter's units, once its operands are known. */
type Cost = (meter: Meter, operands: readonly unknown[]) => void;

/** Of lists that an expression reads or makes. */
const LIST_ITEMS_MAX = 20_000;
const HAS_OFFSET = /(?:Z|[+-]\d\d:\d\d)$/;
/** Of texts, in UTF-16 units; as much as a whole result may have. */
const TEXT_CHARS_MAX = 4_194_304;

/** Ends the evaluation when `value`, read or made, is larger than texts and lists may be. */
export function checkSize(meter: Meter, value: unknown): void {
  if (typeof value === 'string') checkTextSize(meter, value.length);
  else if (Array.isArray(value)) checkListSize(meter, value.length);
}

function checkTextSize(meter: Meter, length: number): void {
  if (length > TEXT_CHARS_MAX) meter.fail(`A text has at most ${TEXT_CHARS_MAX} characters.`);
}

export function checkListSize(meter: Meter, length: number): void {
  if (length > LIST_ITEMS_MAX) {
    meter.fail(`A list has at most ${LIST_ITEMS_MAX} items; this one has ${length}.`);
  }
}

/** The cost of `node`'s own work beyond one unit, or null when there is none. */
export function costOf(node: CelNode): Cost | null {
  const name = callOf(node)?.name;
  return name === undefined ? (OPERATORS[node.op] ?? null) : (FUNCTIONS[name] ?? null);
}

const OPERATORS: Readonly<Record<string, Cost>> = {
  '+': joinTwo,
  '==': compareDeep,
  '!=': compareDeep,
  in: search,
  '<': readTexts,
  '<=': readTexts,
  '>': readTexts,
  '>=': readTexts,
};

const FUNCTIONS: Readonly<Record<string, Cost>> = {
  size,
  contains: find,
  indexOf: find,
  lastIndexOf: find,
  startsWith: readTexts,
  endsWith: readTexts,
  substring: readTexts,
  lowerAscii: readTexts,
  upperAscii: readTexts,
  trim: readTexts,
  split,
  join,
  string: readTexts,
  double: readTexts,
  bytes: readTexts,
  json: (meter, [bytes]) => meter.spend(15 + lengthOf(bytes) / 8),
  hex: readTexts,
  base64: readTexts,
  timestamp,
  duration,
};

/** Of a text or list, else 0. */
function lengthOf(value: unknown): number {
  if (typeof value === 'string' || Array.isArray(value) || value instanceof Uint8Array) return value.length;
  return 0;
}

// A text's characters are counted one by one, and an object's members.
function size(meter: Meter, [value]: readonly unknown[]): void {
  if (typeof value === 'string') meter.spend(value.length / 5);
  else if (isPlainObject(value)) meter.spend(memberUnits(countMembers(value)));
}

function readTexts(meter: Meter, operands: readonly unknown[]): void {
  for (const operand of operands) meter.spend(lengthOf(operand) / 128);
}

function joinTwo(meter: Meter, [left, right]: readonly unknown[]): void {
  const length = lengthOf(left) + lengthOf(right);
  if (Array.isArray(left)) checkListSize(meter, length);
  else checkTextSize(meter, length);
  meter.spend(Array.isArray(left) ? length / 8 : length / 256);
}

function compareDeep(meter: Meter, [left, right]: readonly unknown[]): void {
  if (left === right) return;
  meter.spend(weigh(meter, left) + weigh(meter, right));
}

// Each item is compared with the value; two objects cost as many comparisons as the smaller one has members.
function search(meter: Meter, [value, list]: readonly unknown[]): void {
  if (!Array.isArray(list)) return;
  meter.spend(weigh(meter, list));
  if (typeof value === 'object') meter.spend(list.length * weigh(meter, value));
}

// V8 looks for a long text in another one in a time of n · m: 100 ms for 250 characters in a million.
function find(meter: Meter, [text, sought]: readonly unknown[]): void {
  const length = lengthOf(text);
  meter.spend(length / 128 + (length * Math.min(lengthOf(sought), length)) / 200);
}

function split(meter: Meter, operands: readonly unknown[]): void {
  find(meter, operands);
  meter.spend(lengthOf(operands[0]) / Math.max(1, lengthOf(operands[1])) / 4);
}

function join(meter: Meter, [list, separator]: readonly unknown[]): void {
  if (!Array.isArray(list)) return;
  let length = list.length * lengthOf(separator);
  for (const item of list) length += lengthOf(item);
  checkTextSize(meter, length);
  meter.spend(list.length / 2 + length / 64);
}

// Without an offset the library takes the time zone of this process.
function timestamp(meter: Meter, [text]: readonly unknown[]): void {
  if (typeof text === 'string' && text.length <= 30 && !HAS_OFFSET.test(text)) {
    meter.fail('A time ends in "Z" or in an offset such as "+02:00".');
  }
  meter.spend(20);
}

// The library reads durations by a pattern that takes the cube of the text's length: 3.7 s for 2 000 digits.
function duration(meter: Meter, [text]: readonly unknown[]): void {
  if (lengthOf(text) > 64) meter.fail('A duration has at most 64 characters.');
  meter.spend(40);
}

/** What reading all of `value` costs, texts and members of members counted; charged for while it counts. */
function weigh(meter: Meter, value: unknown): number {
  if (typeof value === 'string') return 0.1 + value.length / 1_000;
  if (typeof value !== 'object' || value === null) return 0.1;
  const isList = Array.isArray(value);
  const members: unknown[] = isList ? value : Object.values(value);
  const units = isList ? members.length / 20 : memberUnits(members.length);
  meter.spend(0.5 + units);
  let weight = 2 + (isList ? 0 : units);
  for (const member of members) weight += weigh(meter, member);
  return weight;
}
