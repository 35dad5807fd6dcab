// Node loads the suites, and strips their types itself (test/support/native-runner); they talk to real servers over the wire.
export default {
  testEnvironment: 'node',
  roots: ['<rootDir>/test'],
  testMatch: ['**/*.test.ts'],
  transform: {},
  testRunner: '<rootDir>/test/support/native-runner.mjs',
  globalSetup: '<rootDir>/test/support/global-setup.ts',
  globalTeardown: '<rootDir>/test/support/global-teardown.ts',
  testTimeout: 60_000,
  testSequencer: '<rootDir>/test/support/longest-first.mjs',
  // For two cores: the suites of real processes wait in real time, and two more workers fill those gaps.
  maxWorkers: 4,
};
