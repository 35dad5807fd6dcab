import { expect, test } from '@jest/globals';
import { chat, readEvents } from '../support/citadel.ts';
import { type FleetProcess, withFleet } from '../support/citadel-fleet.ts';
import { countJobs } from '../support/queue-counts.ts';
import { redisService } from '../support/redis.ts';
import { describeWith } from '../support/services.ts';
import { waitFor } from '../support/wait-for.ts';

const MODEL = 'plain';
const PATH = '/v1/chat/completions';
const CALLS = 300;
const TEST_LIMIT_MS = 90_000;

describeWith(redisService, 'an API and two workers', () => {
  test(
    'answer 300 calls at once, each with its own answer, and warn of nothing',
    () =>
      withFleet({ models: [MODEL] }, async ({ start }) => {
        const fleet = await Promise.all([start('api'), start('worker'), start('worker')]);
        const [api] = fleet;

        const whole = await Promise.all(Array.from({ length: CALLS }, (_, index) => echo(api, index, false)));
        const streamed = await Promise.all(
          Array.from({ length: CALLS }, (_, index) => echo(api, index, true)),
        );

        expect(new Set([...whole, ...streamed])).toEqual(new Set(['right']));
        await waitFor(async () => {
          const { waiting, active, dead } = await countJobs(api);
          return waiting + active + dead === 0;
        }, 'no job is left');
        for (const each of fleet)
          expect(each.stderr()).not.toMatch(/Warning|MaxListeners|"level":"(warn|error)"/);
      }),
    TEST_LIMIT_MS,
  );
});

/** `right` when the answer is the one to this very prompt; else what came. */
async function echo(api: FleetProcess, index: number, stream: boolean): Promise<string> {
  const nonce = `nonce-${index}-${Math.random().toString(36).slice(2)};`;
  const response = await api.post(PATH, chat(MODEL, nonce, { stream }));
  const text = await response.text();
  return response.status === 200 && contentOf(text, stream)?.includes(nonce)
    ? 'right'
    : `${response.status} ${text}`;
}

/** Null for a stream that is not whole. */
function contentOf(text: string, stream: boolean): string | null {
  if (!stream) return JSON.parse(text).choices[0].message.content;
  const events = readEvents(text);
  if (events.pop() !== '[DONE]') return null;
  return events.map((event) => JSON.parse(event).choices[0]?.delta.content ?? '').join('');
}
