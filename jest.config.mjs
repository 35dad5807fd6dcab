// Node strips the types itself (no transform); the suites talk to real servers over the wire.
export default {
  testEnvironment: 'node',
  roots: ['<rootDir>/test'],
  testMatch: ['**/*.test.ts'],
  extensionsToTreatAsEsm: ['.ts'],
  transform: {},
  testTimeout: 30_000,
  // Two cores: more workers only make the time-sensitive suites wait for each other.
  maxWorkers: 2,
};
