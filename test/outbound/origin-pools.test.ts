import { expect, test } from '@jest/globals';
import { createOriginPools } from '../../outbound/origin-pools.ts';
import { LOCAL_GUARD } from '../support/local-guard.ts';

const origin = (n: number) => `http://127.0.0.1:${10_000 + n}`;

test('of 200 pools, the one used longest ago makes room for the next, unless it is in use', async () => {
  const pools = createOriginPools(LOCAL_GUARD);
  const inUse = pools.acquire(origin(0), 100);
  const [oldest, ...others] = Array.from({ length: 199 }, (_, i) => pools.acquire(origin(i + 1), 100));
  for (const pool of [oldest, ...others]) pool?.release();

  pools.acquire(origin(200), 100).release();
  expect(pools.acquire(origin(0), 100)).toBe(inUse);
  expect(pools.acquire(origin(2), 100)).toBe(others[0]);
  expect(pools.acquire(origin(1), 100)).not.toBe(oldest);
  await pools.close();
});
