import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { nextSuite } from './suite-modules.mjs';

/**
 * Jest's own framework and reports, but a suite is loaded as Node loads the program itself, and not into a VM context, where
 * each suite would compile 700 modules anew: that was half of what a suite cost. Libraries and Citadel's own modules are
 * loaded once in a worker, and what they hold stays, as it does in a process that serves for long.
 */
export default async function runSuite(
  globalConfig,
  config,
  environment,
  runtime,
  testPath,
  sendMessageToJest,
) {
  const { initialize, runAndTransformResultsToJestFormat } = newFramework();
  await initialize({
    config,
    environment,
    globalConfig,
    localRequire: require,
    parentProcess: process,
    runtime,
    sendMessageToJest,
    setGlobalsForRuntime(globals) {
      const { moduleMocker } = environment;
      const jest = { spyOn: moduleMocker.spyOn.bind(moduleMocker) };
      globalThis[Symbol.for('citadel.jest-globals')] = { ...globals, jest };
    },
    testPath,
  });
  await import(nextSuite().urlOf(pathToFileURL(testPath)));
  return runAndTransformResultsToJestFormat({ config, globalConfig, setupAfterEnvPerfStats: {}, testPath });
}

// For the threads and programs that suites start; this process started without it.
process.env.NODE_COMPILE_CACHE ??= join(tmpdir(), 'compile-cache');

const require = createRequire(import.meta.url);
// It has no other door for what a runner needs. Its version is pinned.
const FRAMEWORK = join(dirname(require.resolve('jest-circus/package.json')), 'build/jestAdapterInit.js');

/** One holds the tests of one suite. */
function newFramework() {
  delete globalThis[Symbol.for('EVENT_HANDLERS')];
  delete require.cache[FRAMEWORK];
  return require(FRAMEWORK);
}
