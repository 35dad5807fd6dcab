import { registerHooks } from 'node:module';

const TESTS = new URL('../', import.meta.url).href;
const GLOBALS = new URL('./jest-globals.mjs', import.meta.url).href;
const MARK = '?suite=';

let suites = 0;

/** The module of a suite and what it imports from `test` carry the suite's number in their addresses, so that they are
 *  new for each suite: hooks that they set at their top level are set each time. All others are loaded once. */
export function nextSuite() {
  if (suites === 0) registerHooks({ resolve });
  suites += 1;
  return { urlOf: (file) => `${file}${MARK}${suites}` };
}

function resolve(specifier, context, next) {
  const [, suite] = context.parentURL?.split(MARK) ?? [];
  if (suite === undefined) return next(specifier, context);
  if (specifier === '@jest/globals') {
    return { url: GLOBALS + MARK + suite, format: 'module', shortCircuit: true };
  }
  const found = next(specifier, context);
  return found.url.startsWith(TESTS) ? { ...found, url: found.url + MARK + suite } : found;
}
