import { expect, test } from '@jest/globals';
import { chat, readEvents } from '../support/citadel.ts';
import { type FleetProcess, withFleet } from '../support/citadel-fleet.ts';
import { expectWithin, inTime, timeOf } from '../support/in-time.ts';
import { redisService, type TestRedis } from '../support/redis.ts';
import { describeWith } from '../support/services.ts';
import { waitFor } from '../support/wait-for.ts';

const MODEL = 'plain';
const SLOW = 'sim:first=2500';
const TOKENS = 80;
const STREAM = `sim:token=50+tokens=${TOKENS}`;
const PATH = '/v1/chat/completions';
/** A new request while the store is away: refused, not kept waiting. */
const REFUSED_WITHIN_MS = 2_500;
const WORKS_AGAIN_WITHIN_MS = 3_000;
/** A request that waits while its store never returns. */
const GIVEN_UP_WITHIN_MS = 45_000;
const TEST_LIMIT_MS = 120_000;

const LOSSES = [
  {
    loss: 'killed',
    lose: (redis: TestRedis) => redis.kill(),
    recover: (redis: TestRedis) => redis.restart(),
  },
  {
    loss: 'frozen',
    lose: async (redis: TestRedis) => redis.freeze(),
    recover: async (redis: TestRedis) => redis.thaw(),
  },
];

describeWith(redisService, 'while Redis is away', () => {
  test.concurrent.each(LOSSES)(
    '($loss) for some seconds, new requests are refused at once, and who has waited gets the answer afterwards',
    ({ lose, recover }) =>
      inTime(() =>
        withFleet({ models: [MODEL, SLOW, STREAM] }, async ({ start, model, redis }) => {
          const [api] = await Promise.all([start('api'), start('worker')]);
          const whole = api.post(PATH, chat(SLOW, 'nonce 5'));
          const stream = await api.post(PATH, chat(STREAM, 'Hi', { stream: true }));
          const streamed = stream.text();
          await waitFor(() => model.openCalls() === 2, 'both calls run');

          await lose(redis);

          const refusals = [await refusal(api), await refusal(api), await refusal(api)];
          expect((await api.get('/api/v1/health/ready')).status).toBe(503);
          expect((await api.get('/api/v1/health/live')).status).toBe(200);
          // The server answers meanwhile, and the worker keeps the answers.
          await waitFor(() => model.openCalls() === 0, 'the server has answered');

          await recover(redis);

          const works = async () => {
            const response = await api.post(PATH, chat(MODEL));
            await response.text();
            return response.status === 200;
          };
          const backMs = await timeOf(() => waitFor(works, 'requests work again'));
          const answer = await whole;
          expect(answer.status).toBe(200);
          expect(await answer.text()).toContain('nonce 5');
          expectNoPartAsWhole(readEvents(await streamed));
          expectWithin(REFUSED_WITHIN_MS, refusals.sort((a, b) => a - b)[1] ?? Number.POSITIVE_INFINITY);
          expectWithin(WORKS_AGAIN_WITHIN_MS, backMs);
        }),
      ),
    TEST_LIMIT_MS,
  );

  test.concurrent.each(LOSSES)(
    '($loss) for good, those who wait and those who read a stream get an error in the end',
    ({ lose }) =>
      withFleet({ models: [SLOW, STREAM] }, async ({ start, model, redis }) => {
        const [api] = await Promise.all([start('api'), start('worker')]);
        const whole = api.post(PATH, chat(SLOW));
        const stream = await api.post(PATH, chat(STREAM, 'Hi', { stream: true }));
        await waitFor(() => model.openCalls() === 2, 'both calls run');

        await lose(redis);
        const sinceMs = performance.now();

        const events = readEvents(await stream.text());
        expect(JSON.parse(events.at(-1) ?? '{}')).toHaveProperty('error.code');
        const refused = await whole;
        expect(refused.status).toBe(503);
        expect(await refused.json()).toMatchObject({ error: { code: 'store_unavailable' } });
        expect(performance.now() - sinceMs).toBeLessThan(GIVEN_UP_WITHIN_MS);
        expect(model.openCalls()).toBe(0);
      }),
    TEST_LIMIT_MS,
  );
});

/** A request that is refused because the store is away. Resolves with the ms that it took. */
async function refusal(api: FleetProcess): Promise<number> {
  const sinceMs = performance.now();
  const response = await api.post(PATH, chat(MODEL));
  const tookMs = performance.now() - sinceMs;
  expect(response.status).toBe(503);
  expect(response.headers.get('retry-after')).toMatch(/^([1-9]|[1-5]\d|60)$/);
  expect(await response.json()).toMatchObject({ error: { code: 'store_unavailable' } });
  return tookMs;
}

/** A stream that lost a part on its way must not end as if it were whole. */
function expectNoPartAsWhole(events: string[]): void {
  const last = events.at(-1) ?? '';
  if (last === '[DONE]') expect(tokensIn(events)).toBe(TOKENS);
  else expect(JSON.parse(last)).toHaveProperty('error.code');
}

function tokensIn(events: string[]): number {
  return events.filter((event) => event !== '[DONE]' && JSON.parse(event).choices[0]?.delta.content).length;
}
