import { readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { chat } from '../support/citadel.ts';
import { withFleet } from '../support/citadel-fleet.ts';
import { countJobs } from '../support/queue-counts.ts';
import { redisService } from '../support/redis.ts';
import { describeWith } from '../support/services.ts';
import { waitFor } from '../support/wait-for.ts';

const MODEL = 'plain';
const PATH = '/v1/chat/completions';
/** The locks of the dead process must lapse and be found lapsed. */
const DRAINED_WITHIN_MS = 40_000;
const TEST_LIMIT_MS = 90_000;
/** Far fewer than there are. */
const MODULES_MIN = 200;

describe('on the embedded store', () => restartTest(false));
describeWith(redisService, 'on Redis', () => restartTest(true));

test.concurrent(
  'what a process has compiled is there for the next one, though it was killed',
  () =>
    withFleet({ withRedis: false, models: [MODEL] }, async ({ start }) => {
      const cache = await mkdtemp(join(tmpdir(), 'citadel-compiled-'));
      const citadel = await start('up', { env: { NODE_COMPILE_CACHE: cache } });
      const compiled = () => readdirSync(cache, { recursive: true }).length;

      await waitFor(() => compiled() > MODULES_MIN, 'what was compiled is kept');

      citadel.kill('SIGKILL');
      await citadel.exited;
      await rm(cache, { recursive: true });
    }),
  TEST_LIMIT_MS,
);

function restartTest(withRedis: boolean): void {
  test.concurrent(
    'a Citadel killed with jobs in hand and waiting starts again, answers, and runs none of them for nobody',
    () =>
      withFleet({ withRedis, models: [MODEL] }, async ({ start, model }) => {
        // Two at a time run, and the others wait in the store.
        const env = { CITADEL_CLASSES_LIGHTWEIGHT_CONCURRENCY: '2' };
        const first = await start('up', { env });
        model.setFault('hang');
        const answers = Array.from({ length: 5 }, () =>
          first.post(PATH, chat(MODEL, 'left over')).then(
            ({ status }) => status,
            () => 'broken' as const,
          ),
        );
        await waitFor(async () => {
          const { active, waiting } = await countJobs(first);
          return active === 2 && waiting === 3 && model.openCalls() === 2;
        }, 'two jobs run and three wait');

        first.kill('SIGKILL');
        await first.exited;
        expect(await Promise.all(answers)).toEqual(Array(5).fill('broken'));
        model.setFault(undefined);

        const second = await start('up', { env, dataDir: first.dataDir });
        const answer = await second.post(PATH, chat(MODEL, 'a new one'));
        expect(answer.status).toBe(200);
        expect(await answer.text()).toContain('a new one');

        const isDrained = async () => {
          const { waiting, active } = await countJobs(second);
          return waiting + active === 0;
        };
        await waitFor(isDrained, 'nothing is left of the dead process', DRAINED_WITHIN_MS);
        expect((await countJobs(second)).dead).toBe(0);
        const leftOver = model.requests.filter(({ body }) => body.includes('left over'));
        expect(leftOver).toHaveLength(2);
      }),
    TEST_LIMIT_MS,
  );
}
