import { createRequire } from 'node:module';
import type { RE2JS } from 're2js';
import { AppError } from '../core/errors.ts';
import { loadOnce } from '../core/load-once.ts';

/** A pattern of RE2: no lookaround, no backreferences, and a time that grows with the text and never explodes. */
export interface LinearRegex {
  /** Whether the pattern is found anywhere in `text`. */
  test(text: string): boolean;
  /** Instructions of its program: a test costs at most about 25 ns for each, times the text's length. */
  size: number;
}

const PATTERN_CHARS_MAX = 1_000;
const PROGRAM_MAX = 2_000;
// RE2JS keeps 8 MiB of automaton per pattern, and building it took up to 100 ms; with this much at most 15 ms.
const AUTOMATON_BYTES_MAX = 65_536;

/**
 * Compiles `pattern`, written for RE2 or, as in a JSON Schema, for ECMAScript. Throws AppError `invalid_request` when
 * RE2 does not know it, or when it is too large.
 */
export function createLinearRegex(pattern: string, dialect: 're2' | 'ecma' = 're2'): LinearRegex {
  if (pattern.length > PATTERN_CHARS_MAX) {
    throw new AppError('invalid_request', `A pattern has at most ${PATTERN_CHARS_MAX} characters.`);
  }
  const compiled = compile(pattern, dialect);
  const size = compiled.programSize();
  if (size > PROGRAM_MAX) {
    throw new AppError('invalid_request', `The pattern ${quote(pattern)} is too large: fewer repetitions.`);
  }
  const { dfa } = compiled.re2();
  dfa.stateBudget = AUTOMATON_BYTES_MAX;
  dfa.memBudget = AUTOMATON_BYTES_MAX;
  return { test: (text) => compiled.test(text), size };
}

// 2 MB, for those that have a pattern.
const re2js = loadOnce(() => createRequire(import.meta.url)('re2js') as typeof import('re2js'));

function compile(pattern: string, dialect: 're2' | 'ecma'): RE2JS {
  const { RE2JS, RE2JSException } = re2js();
  try {
    return RE2JS.compile(dialect === 'ecma' ? RE2JS.translateRegExp(pattern) : pattern);
  } catch (error) {
    const reason = error instanceof RE2JSException ? error.message : 'it cannot be read';
    throw new AppError('invalid_request', `The pattern ${quote(pattern)} is not one of RE2: ${reason}.`, {
      cause: error,
    });
  }
}

const quote = (pattern: string) => JSON.stringify(pattern.slice(0, 80));
