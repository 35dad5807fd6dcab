import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { START_LIMIT_MS } from '../api/setup.ts';
import { setupRunners } from './runner-bundle.ts';

const FAMILY_MAX = 40;

let bundle: Awaited<ReturnType<typeof setupRunners>>;

beforeAll(async () => {
  bundle = await setupRunners();
}, START_LIMIT_MS);

afterAll(() => bundle?.stop());

const start = (workflow: string) => ({ id: 'start', type: 'workflow', workflow });
const three = (steps: object[]) => [{ id: 'fan', type: 'map', over: [1, 2, 3], steps }];

test('runs that start more and more of each other end, and say why', async () => {
  const process = bundle.process({ familyMax: FAMILY_MAX });
  await process.definitions.put('hydra', { steps: three([start('hydra')]) });

  const { status, error } = await process.run({ steps: three([start('hydra')]) });

  expect({ status, error }).toMatchObject({
    status: 'failed',
    error: {
      code: 'invalid_request',
      message: `A run, and those that it starts, may start ${FAMILY_MAX} runs at most.`,
    },
  });
  const made = await process.runs.list({ kind: 'workflow', workflow: 'hydra', limit: 1_000 });
  expect(made.runs.length).toBeGreaterThan(3);
  // Runs of one process that look at the same moment: each may start its three.
  expect(made.runs.length).toBeLessThanOrEqual(FAMILY_MAX * 3);
  expect(made.runs.filter(({ endedAt }) => endedAt === null)).toEqual([]);
});

test('what one run starts by itself is bounded by its steps alone', async () => {
  const process = bundle.process({ familyMax: 2 });
  await process.definitions.put('leaf', { steps: [{ id: 'a', type: 'transform', value: 1 }] });

  expect(await process.run({ steps: three([start('leaf')]) })).toMatchObject({
    status: 'succeeded',
    output: [1, 1, 1],
  });
});
