import { AppError } from './errors.ts';
import { describeJsonFault } from './json-fault.ts';
import { endOfString, QUOTE } from './json-scan.ts';

interface JsonLimits {
  /** Objects and arrays inside each other, the outermost one counted. */
  depthMax: number;
}

/**
 * The JSON object in a request body. Throws `invalid_request` for malformed JSON, for anything but an object, for
 * nesting beyond the limit (9 KB of brackets pass JSON.parse and then break JSON.stringify) and for keys that
 * could reach a prototype in code that copies members.
 */
export function parseJsonObject(text: string, limits: JsonLimits): Record<string, unknown> {
  const value = parseJson(text, limits);
  if (isObject(value) && !Array.isArray(value)) return value;
  throw new AppError('invalid_request', 'The body is not a JSON object.');
}

/** The same for any JSON value. */
export function parseJson(text: string, limits: JsonLimits): unknown {
  if (isDeeperThan(text, limits.depthMax)) {
    throw new AppError('invalid_request', `The body is nested deeper than ${limits.depthMax} levels.`);
  }
  const value = parse(text);
  const forbidden = isObject(value) && mayHoldForbiddenKey(text) ? findForbiddenKey(value) : undefined;
  if (forbidden !== undefined) {
    throw new AppError('invalid_request', `The body holds the key "${forbidden}", which is not accepted.`);
  }
  return value;
}

// On the text and before parsing: linear, and it needs no stack of its own.
function isDeeperThan(text: string, depthMax: number): boolean {
  let depth = 0;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      at = endOfString(text, at) - 1;
    } else if (code === 0x7b || code === 0x5b) {
      depth += 1;
      if (depth > depthMax) return true;
    } else if (code === 0x7d || code === 0x5d) {
      depth -= 1;
    }
  }
  return false;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    // Not kept as the cause: its message quotes the body, and causes are logged.
    throw new AppError('invalid_request', `The body is not valid JSON: ${describeJsonFault(text, error)}.`);
  }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null;

// An escape can spell any letter of a key (`\u005f`, `\u0063`), so any escaped letter makes the slow walk run.
function mayHoldForbiddenKey(text: string): boolean {
  if (text.includes('__proto__') || text.includes('"constructor"')) return true;
  return text.includes('\\u00') && /\\u00[4-7]/.test(text);
}

function findForbiddenKey(root: Record<string, unknown> | unknown[]): string | undefined {
  const open: (Record<string, unknown> | unknown[])[] = [root];
  for (let node = open.pop(); node; node = open.pop()) {
    if (!Array.isArray(node)) {
      if (Object.hasOwn(node, '__proto__')) return '__proto__';
      if (Object.hasOwn(node, 'constructor') && isObject(node.constructor)) {
        if (Object.hasOwn(node.constructor, 'prototype')) return 'constructor.prototype';
      }
    }
    for (const value of Array.isArray(node) ? node : Object.values(node)) {
      if (isObject(value)) open.push(value);
    }
  }
  return undefined;
}
