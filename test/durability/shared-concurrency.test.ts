import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { chat } from '../support/citadel.ts';
import { type CitadelFleet, type FleetProcess, startFleet } from '../support/citadel-fleet.ts';
import { expectWithin, inTime, LateError } from '../support/in-time.ts';
import { postgresService, startPostgres, type TestPostgres } from '../support/postgres.ts';
import { redisService } from '../support/redis.ts';
import { describeWith } from '../support/services.ts';
import { waitFor } from '../support/wait-for.ts';

const ADMIN_KEY = 'sk-admin-0123456789';
const CALL_MS = 300;
const SLOW = `sim:first=${CALL_MS}+tokens=1`;
const ENDLESS = 'sim:token=50+tokens=1000';
const AT_ONCE = 10;
const CALLERS = 30;
const RUN_MS = 4_000;
const START_LIMIT_MS = 120_000;
const TEST_LIMIT_MS = 90_000;
/** A dead process's block lapses after 5 s; then it has to be asked for. */
const FREED_WITHIN_MS = 7_000;

const both = { ...redisService, isInstalled: redisService.isInstalled && postgresService.isInstalled };

describeWith(both, "three API processes and a key's requests at once", () => {
  let fleet: CitadelFleet;
  let postgres: TestPostgres | null;
  let apis: [FleetProcess, FleetProcess, FleetProcess];
  let names = 0;

  beforeAll(async () => {
    postgres = await startPostgres();
    fleet = await startFleet({
      models: [SLOW, ENDLESS],
      env: {
        DATABASE_URL: postgres?.url ?? '',
        CITADEL_API_KEYS: `root:admin:${ADMIN_KEY}`,
        // Nothing but the key may hold calls back.
        CITADEL_CLASSES_LIGHTWEIGHT_CONCURRENCY: '100',
      },
    });
    apis = await Promise.all([fleet.start('api'), fleet.start('api'), fleet.start('api')]);
    await fleet.start('worker');
  }, START_LIMIT_MS);

  afterAll(async () => {
    await fleet?.stop();
    await postgres?.stop();
  }, START_LIMIT_MS);

  const send = (api: FleetProcess, path: string, key: string, body: object | null, signal?: AbortSignal) =>
    fetch(api.url + path, {
      method: body ? 'POST' : 'GET',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: body && JSON.stringify(body),
      signal,
    });

  async function makeKey(): Promise<string> {
    names += 1;
    const wanted = { name: `key-${names}`, max_concurrency: AT_ONCE };
    const made = await send(apis[0], '/api/v1/keys', ADMIN_KEY, wanted);
    const { key } = JSON.parse(await made.text());
    const isKnown = async (api: FleetProcess) => (await send(api, '/v1/models', key, null)).ok;
    await Promise.all(apis.map((api) => waitFor(() => isKnown(api), 'every process knows the key')));
    return key;
  }

  async function callOnce(api: FleetProcess, key: string): Promise<string> {
    const response = await send(api, '/v1/chat/completions', key, chat(SLOW));
    const { error } = JSON.parse(await response.text());
    const wait = Number(response.headers.get('retry-after'));
    return error ? `${response.status} ${error.code}${wait >= 1 ? '' : ' without retry-after'}` : 'answered';
  }

  /** The most calls that the model server had at once, by when they came: each lasts CALL_MS at least. */
  function mostAtOnce(): number {
    const times = fleet.model.requests.filter(({ model }) => model === SLOW).map(({ at }) => at);
    // Timers are a little early, and times whole ms.
    const running = (at: number) => times.filter((other) => other <= at && other > at - CALL_MS + 5).length;
    return Math.max(...times.map(running));
  }

  test(
    'run as many as it may have together, never more, and the rest is told so at once',
    () =>
      inTime(async () => {
        const key = await makeKey();
        const outcomes = apis.map(() => new Map<string, number>());
        const untilMs = performance.now() + RUN_MS;

        const caller = async (_: unknown, index: number) => {
          const turn = index % apis.length;
          const [api, seen] = [apis[turn] as FleetProcess, outcomes[turn] as Map<string, number>];
          while (performance.now() < untilMs) {
            const outcome = await callOnce(api, key);
            seen.set(outcome, (seen.get(outcome) ?? 0) + 1);
          }
        };
        await Promise.all(Array.from({ length: CALLERS }, caller));

        expect(mostAtOnce()).toBeLessThanOrEqual(AT_ONCE);
        const all = new Set(outcomes.flatMap((seen) => [...seen.keys()]));
        expect(all).toEqual(new Set(['answered', '429 rate_limit_exceeded']));
        expect(outcomes.every((seen) => (seen.get('answered') ?? 0) > 0)).toBe(true);
        if (mostAtOnce() < AT_ONCE) throw new LateError(`not one moment with all ${AT_ONCE} in use`);
      }),
    TEST_LIMIT_MS,
  );

  test(
    'get back, within seven seconds, what one of them used that was killed',
    () =>
      inTime(async () => {
        const key = await makeKey();
        const [dead, ...others] = apis;
        const leave = new AbortController();
        /** Whether a stream was let in; then it goes on. */
        const open = async (api: FleetProcess) => {
          const body = chat(ENDLESS, 'Hi', { stream: true });
          const response = await send(api, '/v1/chat/completions', key, body, leave.signal);
          if (response.status === 200) response.body?.pipeTo(new WritableStream()).catch(() => {});
          else await response.text();
          return response.status;
        };
        const used = await Promise.all(Array.from({ length: AT_ONCE }, () => open(dead)));
        const beyond = await Promise.all(others.map(open));

        dead.kill('SIGKILL');
        const killedMs = performance.now();
        let freed = 0;
        const next = async () => {
          while (freed < AT_ONCE) {
            if ((await open(others[freed % others.length] as FleetProcess)) !== 200) return false;
            freed += 1;
          }
          return true;
        };
        await waitFor(next, 'all units are free');
        const freedMs = performance.now() - killedMs;

        expect({ used, beyond }).toEqual({ used: Array(AT_ONCE).fill(200), beyond: [429, 429] });
        expect(await Promise.all(others.map(open))).toEqual([429, 429]);
        leave.abort();
        apis[0] = await fleet.start('api');
        expectWithin(FREED_WITHIN_MS, freedMs);
      }),
    TEST_LIMIT_MS,
  );
});
