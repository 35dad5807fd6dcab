import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createDemoServer, type DemoServer } from '../../servers/demo/demo-server.ts';
import { chat } from '../support/citadel.ts';
import { type CitadelFleet, type FleetProcess, startFleet, withFleet } from '../support/citadel-fleet.ts';
import { expectWithin, inTime, timeOf } from '../support/in-time.ts';
import { postgresService, startPostgres, type TestPostgres } from '../support/postgres.ts';
import { redisService } from '../support/redis.ts';
import { describeWith, type Service } from '../support/services.ts';
import { waitFor } from '../support/wait-for.ts';

const PATH = '/v1/chat/completions';
const START_LIMIT_MS = 120_000;
const TEST_LIMIT_MS = 90_000;
/** What a change may take to be the same everywhere. */
const EVERYWHERE_MS = 1_000;

const both: Service = {
  name: 'Redis and Postgres',
  isInstalled: redisService.isInstalled && postgresService.isInstalled,
  install: `${redisService.install}; ${postgresService.install}`,
};

describeWith(both, 'two API processes and a worker', () => {
  let postgres: TestPostgres | null;
  let fleet: CitadelFleet;
  let extra: DemoServer;
  let one: FleetProcess;
  let other: FleetProcess;

  beforeAll(async () => {
    extra = createDemoServer({ simModels: true, models: [{ id: 'sim-chat' }, { id: 'only-extra' }] });
    [postgres] = await Promise.all([startPostgres(), extra.start()]);
    fleet = await startFleet({ env: { DATABASE_URL: postgres?.url ?? '' } });
    // The worker first: it must hear of what comes later, too.
    await fleet.start('worker');
    one = await fleet.start('api');
    other = await fleet.start('api');
  }, START_LIMIT_MS);

  afterAll(async () => {
    await fleet?.stop();
    await Promise.all([postgres?.stop(), extra?.stop()]);
  }, START_LIMIT_MS);

  const register = (at: FleetProcess) =>
    at.post('/v1/servers', { id: 'extra', hostname: '127.0.0.1', port: extra.port, weight: 100 });
  const remove = (at: FleetProcess) => fetch(`${at.url}/v1/servers/extra`, { method: 'DELETE' });
  const shown = async (at: FleetProcess) => (await at.get('/v1/servers/extra')).status;

  /** The servers that the worker sends calls to, of those that come by either API process. */
  async function serversOf(model: string): Promise<Set<string | null>> {
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, index) => (index % 2 ? one : other).post(PATH, chat(model))),
    );
    await Promise.all(answers.map((answer) => answer.text()));
    return new Set(answers.map(({ headers }) => headers.get('x-citadel-server')));
  }

  test(
    'call a model of a server right after it was registered with the one, by the other',
    () =>
      inTime(async () => {
        const registered = await register(one);
        const here = await one.post(PATH, chat('only-extra'));
        const calls = async () => (await other.post(PATH, chat('only-extra'))).status === 200;
        const thereMs = await timeOf(() => waitFor(calls, 'the other calls it'));

        expect([registered.status, here.status]).toEqual([201, 200]);
        expect([await shown(one), await shown(other)]).toEqual([200, 200]);
        await remove(one);
        expectWithin(EVERYWHERE_MS, thereMs);
      }),
    TEST_LIMIT_MS,
  );

  test(
    'agree within a second on a server that was drained, brought back and removed',
    () =>
      inTime(async () => {
        // Its weight makes it the first choice whenever it takes work.
        const called = (isCalled: boolean) =>
          timeOf(() =>
            waitFor(
              async () => (await serversOf('sim-chat')).has('extra') === isCalled,
              isCalled ? 'calls go to it' : 'no call goes to it',
            ),
          );

        await register(other);
        const registeredMs = await called(true);
        await one.post('/orchestration/failover/extra', {});
        const drainedMs = await called(false);
        await other.post('/orchestration/recover/extra', {});
        const backMs = await called(true);
        await remove(one);
        const removedMs = await called(false);

        expect([await shown(one), await shown(other)]).toEqual([404, 404]);
        for (const ms of [registeredMs, drainedMs, backMs, removedMs]) expectWithin(EVERYWHERE_MS, ms);
      }),
    TEST_LIMIT_MS,
  );

  test(
    'know a registered server after each was killed and started again, and a worker that starts later does',
    async () => {
      await register(one);
      one.kill('SIGKILL');
      await one.exited;
      one = await fleet.start('api');
      const second = await fleet.start('worker');

      const answers = await Promise.all(Array.from({ length: 8 }, () => one.post(PATH, chat('only-extra'))));

      expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(200));
      expect(await shown(one)).toBe(200);
      second.kill('SIGKILL');
      await remove(one);
    },
    TEST_LIMIT_MS,
  );
});

describe('on the embedded store', () => {
  test.each(['SIGTERM', 'SIGKILL'] as const)(
    'a registered server, a drained and a removed one of the configuration are as they were after %s',
    (signal) =>
      withFleet({ withRedis: false }, async ({ start, model }) => {
        const first = await start('up');
        const here = { hostname: '127.0.0.1', port: model.port };
        for (const id of ['kept', 'drained']) await first.post('/v1/servers', { id, ...here });
        await first.post('/orchestration/failover/drained', {});
        await fetch(`${first.url}/v1/servers/sim`, { method: 'DELETE' });
        first.kill(signal);
        await first.exited;

        const second = await start('up', { dataDir: first.dataDir });
        const { servers } = JSON.parse(await (await second.get('/orchestration/servers/list')).text());
        const answer = await second.post(PATH, chat('sim-chat'));

        expect(Object.keys(servers).sort()).toEqual(['drained', 'kept']);
        expect(servers.drained.health_status).toBe('draining');
        expect(servers.kept.health_status).toBe('healthy');
        expect(answer.headers.get('x-citadel-server')).toBe('kept');
      }),
    TEST_LIMIT_MS,
  );
});
