import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { readTables } from '../../chaos/tables.ts';
import type { RunId } from '../../core/ids.ts';
import { turnFencingOff } from '../../workflows/fencing.ts';
import { START_LIMIT_MS } from '../api/setup.ts';
import { waitFor } from '../support/wait-for.ts';
import { type RunnerProcess, setupRunners, task } from '../workflows/runner-bundle.ts';

let bundle: Awaited<ReturnType<typeof setupRunners>>;
let fence = () => {};

beforeAll(async () => {
  bundle = await setupRunners();
}, START_LIMIT_MS);

afterEach(() => fence());

afterAll(() => bundle?.stop());

const TWO_STEPS = { steps: [task('a'), task('b', { after: ['a'] })], output: '${{ steps.a.output }}' };

/** A process whose step another one has taken over, and the attempts of both. */
async function setupZombie() {
  const [zombie, other] = [bundle.process({ isDeaf: true }), bundle.process()];
  const id = await zombie.start(TWO_STEPS);
  const late = await begunBy(zombie, 'a');
  await bundle.lapse();
  await other.relay.tick();
  return { id, zombie, other, late, second: await begunBy(other, 'a') };
}

async function begunBy({ begun }: RunnerProcess, key: string) {
  return await waitFor(() => begun.find((attempt) => attempt.key === key), `${key} has begun`);
}

async function attemptsOf({ runs }: RunnerProcess, id: RunId) {
  return (await runs.attempts(id)).map(({ key, attempt, outcome }) => `${key} ${attempt} ${outcome}`);
}

/** What the trial's audit has against the run. */
async function brokenBy(id: RunId) {
  const { doubles, foreign } = await readTables(bundle.pool, () => null);
  const own = (found: string[]) =>
    found.filter((what) => what.startsWith(id)).map((what) => what.slice(id.length + 1));
  return { doubles: own(doubles), foreign: own(foreign) };
}

describe('the result of a process that has lost its step', () => {
  test('changes nothing, and the audit finds nothing', async () => {
    const { id, zombie, other, late, second } = await setupZombie();
    second.succeed('of the other');
    const last = await begunBy(other, 'b');
    late.succeed('of the zombie');
    await waitFor(async () => (await attemptsOf(zombie, id)).includes('a 1 fenced'), 'it is fenced');
    last.succeed();

    expect(await other.finish(id)).toMatchObject({ status: 'succeeded', output: 'of the other' });
    expect(await brokenBy(id)).toEqual({ doubles: [], foreign: [] });
  });

  test('without fencing it is recorded over the other one, which the audit finds', async () => {
    fence = turnFencingOff();
    const { id, other, late, second } = await setupZombie();
    second.succeed('of the other');
    const last = await begunBy(other, 'b');
    late.succeed('of the zombie');
    await waitFor(
      async () => (await other.runs.get(id))?.steps[0]?.output === 'of the zombie',
      'the result is replaced',
    );
    last.succeed();

    expect(await other.finish(id)).toMatchObject({ status: 'succeeded', output: 'of the zombie' });
    expect(await brokenBy(id)).toEqual({ doubles: ['a: 2 × step.succeeded'], foreign: [] });
  });

  test('without fencing it counts while another attempt runs, which the audit finds', async () => {
    fence = turnFencingOff();
    const { id, zombie, late, second } = await setupZombie();
    late.succeed('of the zombie');
    (await begunBy(zombie, 'b')).succeed();

    expect(await zombie.finish(id)).toMatchObject({ status: 'succeeded', output: 'of the zombie' });
    expect(second.attempt).toBe(2);
    expect(await brokenBy(id)).toEqual({ doubles: [], foreign: ['a: attempt 2 has not succeeded'] });
  });
});
