import { expect, test } from '@jest/globals';
import type { DemoServer } from '../../servers/demo/demo-server.ts';
import { chat, readEvents } from '../support/citadel.ts';
import { withFleet } from '../support/citadel-fleet.ts';
import { expectWithin, inTime } from '../support/in-time.ts';
import { countJobs } from '../support/queue-counts.ts';
import { redisService } from '../support/redis.ts';
import { describeWith } from '../support/services.ts';
import { waitFor } from '../support/wait-for.ts';

const MODEL = 'plain';
const OTHER = 'other';
const STREAM = 'sim:token=50+tokens=10000';
const PATH = '/v1/chat/completions';
/** From a worker's death to another one's answer: the lock must lapse and be found lapsed. */
const RESCUE_WITHIN_MS = 12_000;
const TEST_LIMIT_MS = 150_000;

describeWith(redisService, 'with workers in other processes', () => {
  test.concurrent(
    'a request is a job in the store before a server is called, and waits there for a worker',
    () =>
      withFleet({ models: [MODEL] }, async ({ start, model }) => {
        const api = await start('api');
        const answer = api.post(PATH, chat(MODEL, 'nonce 77'));
        await waitFor(async () => (await countJobs(api)).waiting === 1, 'the job is in the store');
        expect(callsOf(model)).toHaveLength(0);

        await start('worker');

        const response = await answer;
        expect(response.status).toBe(200);
        expect(await response.text()).toContain('nonce 77');
        expect(Number(response.headers.get('x-citadel-queue-ms'))).toBeGreaterThan(0);
        await waitFor(async () => isEmpty(await countJobs(api)), 'nothing of it is left in the store');
      }),
    TEST_LIMIT_MS,
  );

  test.concurrent(
    'a worker killed mid-call costs time, not the answer: another one gives it, once',
    () =>
      inTime(() =>
        withFleet({ models: [MODEL] }, async ({ start, model }) => {
          const [api, doomed] = await Promise.all([start('api'), start('worker')]);
          model.setFault('hang');
          const answer = api.post(PATH, chat(MODEL, 'nonce 78'));
          await waitFor(() => model.openCalls() === 1, 'the call runs');
          await start('worker');
          model.setFault(undefined);

          doomed.kill('SIGKILL');
          const killedMs = performance.now();

          const response = await answer;
          const rescuedMs = performance.now() - killedMs;
          expect(response.status).toBe(200);
          expect(await response.text()).toContain('nonce 78');
          expect(callsOf(model).map(({ finished }) => finished)).toEqual([false, true]);
          await waitFor(async () => isEmpty(await countJobs(api)), 'nothing of it is left in the store');
          expectWithin(RESCUE_WITHIN_MS, rescuedMs);
        }),
      ),
    TEST_LIMIT_MS,
  );

  test.concurrent(
    'a worker killed mid-stream ends the stream in an error, never as if it were whole',
    () =>
      inTime(() =>
        withFleet({ models: [STREAM, OTHER] }, async ({ start, model }) => {
          const [api, doomed] = await Promise.all([start('api'), start('worker')]);
          const response = await api.post(PATH, chat(STREAM, 'Hi', { stream: true }));
          expect(response.status).toBe(200);
          const text = response.text();
          await start('worker');
          expect(model.openCalls()).toBe(1);

          doomed.kill('SIGKILL');
          const killedMs = performance.now();

          const events = readEvents(await text);
          const endedMs = performance.now() - killedMs;
          expect(events).not.toContain('[DONE]');
          expect(JSON.parse(events.at(-1) ?? '{}')).toMatchObject({ error: { code: 'bad_backend' } });
          // Nobody waits for the second run of it.
          await waitFor(() => model.openCalls() === 0, 'no call is open');
          await waitFor(async () => isEmpty(await countJobs(api)), 'nothing of it is left in the store');
          expect((await api.post(PATH, chat(OTHER))).status).toBe(200);
          expectWithin(RESCUE_WITHIN_MS, endedMs);
        }),
      ),
    TEST_LIMIT_MS,
  );

  test.concurrent(
    'a job that kills three workers ends in the dead letter; its caller hears of it, others are served',
    () =>
      withFleet({ models: [MODEL, OTHER] }, async ({ start, model }) => {
        const [api, first] = await Promise.all([start('api'), start('worker')]);
        let worker = first;
        model.setFault('hang');
        const answer = api.post(PATH, chat(MODEL, 'poison'));
        for (let kills = 1; kills <= 3; kills++) {
          await waitFor(() => poisoned(model).length === kills, `call ${kills}`, 30_000);
          const next = await start('worker');
          worker.kill('SIGKILL');
          worker = next;
          model.setFault(undefined);
          const other = await api.post(PATH, chat(OTHER, 'Still there?'));
          expect(other.status).toBe(200);
          await other.text();
          model.setFault('hang');
        }

        const response = await answer;
        expect(response.status).toBe(500);
        expect(await response.json()).toMatchObject({
          error: { code: 'internal', message: expect.stringContaining('not run again') },
        });
        expect(poisoned(model)).toHaveLength(3);
        await waitFor(async () => (await countJobs(api)).dead === 1, 'it is in the dead letter');
      }),
    TEST_LIMIT_MS,
  );
});

const callsOf = ({ requests }: DemoServer) => requests.filter(({ method }) => method === 'POST');
const poisoned = (model: DemoServer) => callsOf(model).filter(({ body }) => body.includes('poison'));

const isEmpty = ({ waiting, active, dead }: Awaited<ReturnType<typeof countJobs>>) =>
  waiting + active + dead === 0;
