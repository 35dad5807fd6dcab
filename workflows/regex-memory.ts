import { createLinearRegex, type LinearRegex } from './linear-regex.ts';
import type { Meter } from './meter.ts';

interface MeteredRegex {
  test(text: string, meter: Meter): boolean;
}

/** Patterns that expressions use, compiled once while they stay in use. */
export interface RegexMemory {
  /** Throws AppError `invalid_request` for a pattern that RE2 does not know. */
  get(pattern: string, meter: Meter): MeteredRegex;
}

const PATTERNS_MAX = 200;
// Compiling takes 0.2 ms for a usual pattern, and up to 10 µs for each instruction where classes are large.
const COMPILE_UNITS = 1_000;
const COMPILE_UNITS_PER_CHAR = 10;
const COMPILE_UNITS_PER_INSTRUCTION = 100;
const UNITS_PER_STEP = 0.25;

export function createRegexMemory(): RegexMemory {
  const kept = new Map<string, LinearRegex>();

  return {
    get(pattern, meter) {
      const regex = kept.get(pattern) ?? compile(pattern, meter);
      kept.delete(pattern);
      kept.set(pattern, regex);
      const [oldest] = kept.keys();
      if (kept.size > PATTERNS_MAX && oldest !== undefined) kept.delete(oldest);
      return {
        test(text, spender) {
          spender.spend(10 + text.length * regex.size * UNITS_PER_STEP);
          return regex.test(text);
        },
      };
    },
  };

  function compile(pattern: string, meter: Meter): LinearRegex {
    meter.spend(COMPILE_UNITS + pattern.length * COMPILE_UNITS_PER_CHAR);
    const regex = createLinearRegex(pattern);
    meter.spend(regex.size * COMPILE_UNITS_PER_INSTRUCTION);
    return regex;
  }
}
