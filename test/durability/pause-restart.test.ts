import { describe, expect, test } from '@jest/globals';
import { chat } from '../support/citadel.ts';
import { type FleetProcess, withFleet } from '../support/citadel-fleet.ts';
import { redisService } from '../support/redis.ts';
import { describeWith } from '../support/services.ts';
import { waitFor } from '../support/wait-for.ts';

const MODEL = 'plain';
const TEST_LIMIT_MS = 90_000;

describe('on the embedded store', () => pauseTest(false));
describeWith(redisService, 'on Redis', () => pauseTest(true));

async function lightweight(one: FleetProcess) {
  const { queues } = (await (await one.get('/api/v1/health/queues')).json()) as {
    queues: { lightweight: { paused: boolean; waiting: number; active: number } };
  };
  return queues.lightweight;
}

function pauseTest(withRedis: boolean): void {
  test(
    'a class that is paused stays so when Citadel is killed and starts again, until it is resumed',
    () =>
      withFleet({ withRedis, models: [MODEL] }, async ({ start, model }) => {
        const calls = () => model.requests.filter(({ method }) => method === 'POST').length;
        const first = await start('up');
        expect((await first.post('/api/v1/queues/lightweight/pause', {})).status).toBe(200);
        first.kill('SIGKILL');
        await first.exited;

        const second = await start('up', { dataDir: first.dataDir });
        await waitFor(async () => (await lightweight(second)).paused, 'it knows of the pause');
        const answer = second.post('/v1/chat/completions', chat(MODEL));
        await waitFor(async () => (await lightweight(second)).waiting === 1, 'the call waits');
        expect(await lightweight(second)).toMatchObject({ paused: true, waiting: 1, active: 0 });
        expect(calls()).toBe(0);

        expect((await second.post('/api/v1/queues/lightweight/resume', {})).status).toBe(200);
        expect((await answer).status).toBe(200);
        expect(calls()).toBe(1);
      }),
    TEST_LIMIT_MS,
  );
}
