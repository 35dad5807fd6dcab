// What `@jest/globals` is to a suite (suite-modules): the framework of this suite (native-runner) has left it here.
export const { afterAll, afterEach, beforeAll, beforeEach, describe, expect, jest, test } =
  globalThis[Symbol.for('citadel.jest-globals')];
