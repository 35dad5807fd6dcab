import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { chat, startTestCitadel, type TestCitadel } from '../support/citadel.ts';
import { spawnCitadel } from '../support/citadel-fleet.ts';
import { errorOf, START_LIMIT_MS } from './setup.ts';

const BOSS = 'the-key-of-the-boss-1';
const boss = { authorization: `Bearer ${BOSS}` };
const user = { authorization: 'Bearer the-key-of-a-user-12' };

interface Sum {
  requests: number;
  input_tokens: number;
  output_tokens: number;
  cost: number;
  unpriced_tokens: number;
  [group: string]: unknown;
}

let citadel: TestCitadel;
/** What the caller was told, of the chat and of the run. */
const told: { prompt_tokens: number; completion_tokens: number }[] = [];

beforeAll(async () => {
  citadel = await startTestCitadel({
    env: {
      CITADEL_API_KEYS: `boss:admin:${BOSS},me:user:the-key-of-a-user-12`,
      CITADEL_PRICES: '{"sim-chat":{"input":1000,"output":2000}}',
    },
  });
  const asked = await citadel.post('/v1/chat/completions', chat('sim-chat'), { headers: user });
  told.push(((await asked.json()) as { usage: (typeof told)[number] }).usage);
  const step = { id: 'a', type: 'chat', model: 'sim-chat', messages: [{ role: 'user', content: 'Hi' }] };
  const run = await citadel.post(
    '/api/v1/workflows',
    { definition: { name: 'w', steps: [step] }, input: {}, tags: ['red', 'blue'] },
    { headers: boss },
  );
  const { id } = (await run.json()) as { id: string };
  await citadel.get(`/api/v1/workflows/${id}/result?wait_ms=20000`, boss);
  const record = await citadel.get(`/api/v1/workflows/${id}`, boss);
  const { steps } = (await record.json()) as { steps: { output: { usage: (typeof told)[number] } }[] };
  if (steps[0]) told.push(steps[0].output.usage);
  await citadel.post('/v1/embeddings', { model: 'sim-embed', input: 'x' }, { headers: boss });
}, START_LIMIT_MS);
afterAll(() => citadel?.stop());

async function report(query: string, headers = boss): Promise<{ data: Sum[]; total: Sum }> {
  return (await (await citadel.get(`/api/v1/usage?${query}`, headers)).json()) as { data: Sum[]; total: Sum };
}

const costOfTold = (usages: typeof told) =>
  usages.reduce((sum, one) => sum + (one.prompt_tokens * 1000 + one.completion_tokens * 2000) / 1e6, 0);

test('calls, tokens and cost are summed by model, as their callers were told', async () => {
  const { data, total } = await report('by=model');

  expect(data.map(({ model, requests }) => [model, requests])).toEqual([
    ['sim-chat', 2],
    ['sim-embed', 1],
  ]);
  expect(data[0]?.cost).toBeCloseTo(costOfTold(told), 6);
  expect(data[0]).toMatchObject({
    input_tokens: told.reduce((sum, { prompt_tokens }) => sum + prompt_tokens, 0),
    unpriced_tokens: 0,
  });
  expect(data[1]).toMatchObject({ cost: 0, unpriced_tokens: data[1]?.input_tokens });
  expect(total).toMatchObject({ requests: 3, cost: data[0]?.cost });
});

test('a run has its calls counted for each of its tags, and once in the total', async () => {
  const { data, total } = await report('by=tag');

  const runCost = expect.closeTo(costOfTold(told.slice(1)), 6);
  expect(data.map(({ tag }) => tag).sort()).toEqual(['blue', null, 'red'].sort());
  for (const tag of ['red', 'blue']) {
    expect(data.find((one) => one.tag === tag)).toMatchObject({ requests: 1, cost: runCost });
  }
  expect(total.requests).toBe(3);
});

test('an admin sees every key, others their own', async () => {
  const all = await report('by=key');
  expect(all.data.map(({ key, requests }) => [key, requests]).sort()).toEqual([
    ['boss', 2],
    ['me', 1],
  ]);
  const own = await report('by=key', user);
  expect(own.data.map(({ key }) => key)).toEqual(['me']);
  expect(own.total.cost).toBeCloseTo(costOfTold(told.slice(0, 1)), 6);
  const before = await report('until=2020-01-02T00:00:00Z');
  expect(before).toMatchObject({ data: [], total: { requests: 0, cost: 0 } });
});

test.each([
  ['by=colour', 'by'],
  ['since=yesterday', 'since'],
  ['since=2027-01-02T00:00:00Z&until=2027-01-01T00:00:00Z', 'since'],
  ['since=2000-01-01T00:00:00Z', 'since'],
])('%s is refused', async (query, param) => {
  const response = await citadel.get(`/api/v1/usage?${query}`, boss);
  expect([response.status, await response.json()]).toEqual([400, errorOf('invalid_request', { param })]);
});

test(
  'citadel usage shows the same',
  async () => {
    const one = await spawnCitadel(['usage', '--by', 'key'], {
      CITADEL_URL: citadel.url,
      CITADEL_API_KEY: BOSS,
    });

    expect(await one.exited).toMatchObject({ code: 0 });
    expect(one.stdout()).toMatch(/boss.*2/);
    expect(one.stdout()).toMatch(/total.*3/);
    expect(one.stdout()).toMatch(/without a price/);
  },
  START_LIMIT_MS,
);
