import { describe, expect, test } from '@jest/globals';
import { withinLimit } from '../../core/time-limit.ts';
import { createDemoServer } from '../../servers/demo/demo-server.ts';
import { chat, readEvents, startTestCitadel, type TestCitadel } from '../support/citadel.ts';
import { type FleetProcess, withFleet } from '../support/citadel-fleet.ts';
import { expectWithin, inTime } from '../support/in-time.ts';
import { countJobs } from '../support/queue-counts.ts';
import { redisService, startRedis } from '../support/redis.ts';
import { describeWith } from '../support/services.ts';
import { waitFor } from '../support/wait-for.ts';

const MODEL = 'plain';
const SLOW = 'sim:first=3000';
const STREAM = 'sim:token=50+tokens=60';
const PATH = '/v1/chat/completions';
/** A process with nothing left to do ends at once; this is for a busy machine, and below what ends one by force. */
const IDLE_EXIT_WITHIN_MS = 20_000;
/** With nothing to do and no store to say so to. */
const CUT_OFF_EXIT_WITHIN_MS = 20_000;
/** Whatever hangs: below the 30 s that container runtimes wait. */
const EXIT_WITHIN_MS = 26_000;
const TEST_LIMIT_MS = 90_000;

describe('SIGTERM', () => {
  test.concurrent(
    'lets what runs in an embedded Citadel end, takes nothing new, and ends it with 0',
    () =>
      withFleet({ withRedis: false, models: [SLOW, STREAM, MODEL] }, async ({ start, model }) => {
        const up = await start('up');
        const whole = up.post(PATH, chat(SLOW, 'nonce 1'));
        const stream = up.post(PATH, chat(STREAM, 'Hi', { stream: true })).then((answer) => answer.text());
        await waitFor(() => model.openCalls() === 2, 'both calls run');

        up.kill('SIGTERM');
        await waitFor(() => /stopping/.test(up.stderr()), 'it is stopping');

        expect(await statusOf(up.post(PATH, chat(MODEL)))).toBe('refused');
        const answer = await whole;
        expect(answer.status).toBe(200);
        expect(await answer.text()).toContain('nonce 1');
        expect(readEvents(await stream).at(-1)).toBe('[DONE]');
        expect(await exitOf(up, IDLE_EXIT_WITHIN_MS)).toEqual({ code: 0, signal: null });
      }),
    TEST_LIMIT_MS,
  );

  test.concurrent(
    'ends an idle process within seconds, and so does SIGINT',
    () =>
      withFleet({ withRedis: false }, async ({ start }) => {
        const [one, other] = await Promise.all([start('up'), start('up')]);
        // An idle connection must not hold it up.
        await (await one.get('/health')).text();
        one.kill('SIGTERM');
        other.kill('SIGINT');
        const exits = await Promise.all([one, other].map((each) => exitOf(each, IDLE_EXIT_WITHIN_MS)));
        expect(exits).toEqual(Array(2).fill({ code: 0, signal: null }));
      }),
    TEST_LIMIT_MS,
  );
});

describeWith(redisService, 'SIGTERM, with workers in other processes', () => {
  test.concurrent(
    'lets the jobs of a worker end, and the next ones go to another',
    () =>
      withFleet({ models: [SLOW, MODEL] }, async ({ start, model }) => {
        const [api, leaving] = await Promise.all([start('api'), start('worker')]);
        const answer = api.post(PATH, chat(SLOW));
        await waitFor(() => model.openCalls() === 1, 'the call runs');
        await start('worker');

        leaving.kill('SIGTERM');

        const others = await Promise.all(Array.from({ length: 10 }, () => api.post(PATH, chat(MODEL))));
        expect(others.map(({ status }) => status)).toEqual(Array(10).fill(200));
        expect((await answer).status).toBe(200);
        expect(await exitOf(leaving, IDLE_EXIT_WITHIN_MS)).toEqual({ code: 0, signal: null });
        expect(model.requests.filter((call) => call.model === SLOW)).toHaveLength(1);
      }),
    TEST_LIMIT_MS,
  );

  test.concurrent(
    'ends api and worker also while Redis is down or frozen, with a job in hand',
    async () => {
      await Promise.all(
        (['kill', 'freeze'] as const).map((loss) =>
          withFleet({ models: [MODEL] }, async ({ start, model, redis }) => {
            const processes = await Promise.all([start('api'), start('worker')]);
            model.setFault('hang');
            const answer = statusOf(processes[0].post(PATH, chat(MODEL)));
            await waitFor(() => model.openCalls() === 1, 'the call runs');
            const idle = await start('worker');
            await redis[loss]();

            for (const each of [...processes, idle]) each.kill('SIGTERM');

            const exits = await Promise.all([
              exitOf(idle, CUT_OFF_EXIT_WITHIN_MS),
              ...processes.map((each) => exitOf(each, EXIT_WITHIN_MS)),
            ]);
            expect(exits.map(({ signal }) => signal)).toEqual([null, null, null]);
            // The caller has heard something, be it the end of its connection.
            expect(await answer).not.toBe(200);
          }),
        ),
      );
    },
    TEST_LIMIT_MS,
  );

  test.concurrent(
    'hands back a job that outlasts the time it has, and another worker answers it',
    () =>
      inTime(async () => {
        const redis = await startRedis();
        const model = createDemoServer({ models: [{ id: MODEL }], fault: 'hang' });
        await model.start();
        const parts: TestCitadel[] = [];
        const startPart = async (roles: Parameters<typeof startTestCitadel>[0]) => {
          const server = { id: 'sim', hostname: '127.0.0.1', port: model.port, models: [MODEL] };
          const env = { REDIS_URL: redis.url, CITADEL_SERVERS: JSON.stringify([server]) };
          const part = await startTestCitadel({ ...roles, env });
          parts.push(part);
          return part;
        };
        try {
          const api = await startPart({ roles: { api: true, classes: [] } });
          const leaving = await startPart({ roles: { api: false, classes: ['lightweight'] } });
          const answer = api.post(PATH, chat(MODEL, 'nonce 2'));
          await waitFor(() => model.openCalls() === 1, 'the call runs');
          await startPart({ roles: { api: false, classes: ['lightweight'] } });
          model.setFault(undefined);

          const sinceMs = performance.now();
          await leaving.process.close(300);

          const response = await answer;
          expect(response.status).toBe(200);
          expect(await response.text()).toContain('nonce 2');
          const answeredMs = performance.now() - sinceMs;
          await waitFor(async () => (await countJobs(api)).active === 0, 'no job is left');
          expect(model.openCalls()).toBe(0);
          // It was handed over, and not left for the stalled sweep to find.
          expectWithin(4_000, answeredMs);
        } finally {
          for (const part of parts) await part.stop();
          await Promise.all([model.stop(), redis.stop()]);
        }
      }),
    TEST_LIMIT_MS,
  );
});

const exitOf = ({ exited }: FleetProcess, limitMs: number) => withinLimit(exited, limitMs, 'it did not end');

/** The status; `refused` for a 503 or where there is no connection, `broken` where it ended without an answer. */
async function statusOf(call: Promise<Response>): Promise<number | 'refused' | 'broken'> {
  try {
    const response = await call;
    await response.text();
    return response.status === 503 ? 'refused' : response.status;
  } catch (error) {
    const { cause } = error as { cause?: { code?: string } };
    return cause?.code === 'ECONNREFUSED' ? 'refused' : 'broken';
  }
}
