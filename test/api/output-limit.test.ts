import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { chat } from '../support/citadel.ts';
import { START_LIMIT_MS } from './setup.ts';
import { CHAT_MODEL, RUNS, setupWork, type WorkBundle } from './work-bundle.ts';

const LIMIT = 2_048;

let work: WorkBundle;

beforeAll(async () => {
  work = await setupWork({ env: { CITADEL_LIMITS_OUTPUT_BYTES: String(LIMIT) } });
}, START_LIMIT_MS);
afterAll(() => work?.citadel.stop());

async function run(steps: object[], rest: object = {}) {
  const { body } = await work.ask('POST', RUNS, { definition: { name: 'large', steps, ...rest } });
  return await work.untilEnded(`${RUNS}/${body.id}`);
}

const mapOf = (...inside: object[]) => ({
  id: 'each',
  type: 'map',
  over: Array.from({ length: 12 }, (_, index) => index),
  steps: [{ id: 'say', type: 'chat', ...chat(CHAT_MODEL) }, ...inside],
});

test('a map whose items give more than an output may be fails with its name, both sizes and the cure', async () => {
  const { status, error, output } = await run([mapOf()]);

  expect({ status, output, code: error.code }).toEqual({
    status: 'failed',
    output: null,
    code: 'output_too_large',
  });
  expect(error.message).toMatch(
    /^The output of step `each` is \d+ bytes of JSON, and an output may have 2048 bytes \(the setting limits\.output_bytes\)\. .*transform/,
  );
});

test('and with that cure succeeds', async () => {
  const short = { id: 'short', type: 'transform', value: '${{ steps.say.output.finish_reason }}' };

  expect(await run([mapOf(short)])).toMatchObject({ status: 'succeeded', output: Array(12).fill('stop') });
});

test('a step’s output and an expression’s result are held to the same limit, in bytes', async () => {
  const wide = (count: number) => ({ id: 'wide', type: 'transform', value: 'ü'.repeat(count) });

  expect(await run([wide(LIMIT / 2 - 1)])).toMatchObject({ status: 'succeeded' });
  expect(await run([wide(LIMIT / 2)])).toMatchObject({
    status: 'failed',
    error: { code: 'output_too_large', message: expect.stringContaining('step `wide` is 2050 bytes') },
  });
  const doubled = await run([wide(LIMIT / 3)], { output: '${{ steps.wide.output + steps.wide.output }}' });
  expect(doubled).toMatchObject({
    status: 'failed',
    error: { message: expect.stringContaining('The result of `$.output` is 2730 bytes') },
  });
});
