import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { chat, readEvents } from '../support/citadel.ts';
import { type CitadelFleet, type FleetProcess, startFleet } from '../support/citadel-fleet.ts';
import { expectWithin, inTime, timeOf } from '../support/in-time.ts';
import { postgresService, startPostgres, type TestPostgres } from '../support/postgres.ts';
import { redisService } from '../support/redis.ts';
import { describeWith } from '../support/services.ts';
import { waitFor } from '../support/wait-for.ts';

const ADMIN_KEY = 'sk-admin-0123456789';
const CHAT = '/v1/chat/completions';
const MODEL = 'plain';
const HUNDRED = 'sim:tokens=100';
const ENDLESS = 'sim:token=50+tokens=1000';
const START_LIMIT_MS = 120_000;
const TEST_LIMIT_MS = 90_000;
/** What all processes together may be off by. */
const TOLERANCE = 0.02;

const both = { ...redisService, isInstalled: redisService.isInstalled && postgresService.isInstalled };

describeWith(both, 'three API processes', () => {
  let fleet: CitadelFleet;
  let postgres: TestPostgres | null;
  let apis: FleetProcess[];
  let names = 0;

  beforeAll(async () => {
    postgres = await startPostgres();
    fleet = await startFleet({
      models: [MODEL, HUNDRED, ENDLESS],
      env: { DATABASE_URL: postgres?.url ?? '', CITADEL_API_KEYS: `root:admin:${ADMIN_KEY}` },
    });
    apis = await Promise.all(['api', 'api', 'api'].map(() => fleet.start('api')));
    await fleet.start('worker');
  }, START_LIMIT_MS);

  afterAll(async () => {
    await fleet?.stop();
    await postgres?.stop();
  }, START_LIMIT_MS);

  const apiOf = (index: number) => apis[index % apis.length] as FleetProcess;

  async function send(api: FleetProcess, path: string, { key = ADMIN_KEY, method = 'POST', body = {} } = {}) {
    const response = await fetch(api.url + path, {
      method,
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: method === 'GET' ? null : JSON.stringify(body),
    });
    return { status: response.status, headers: response.headers, text: await response.text() };
  }

  async function makeKey(settings: object): Promise<{ id: string; key: string; knownMs: number }> {
    names += 1;
    const { text } = await send(apiOf(0), '/api/v1/keys', { body: { name: `key-${names}`, ...settings } });
    const made = JSON.parse(text);
    const known = apis.map((api) => waitFor(() => knows(api, made.key), 'every process knows the key'));
    return { ...made, knownMs: await timeOf(() => Promise.all(known)) };
  }

  async function knows(api: FleetProcess, key: string): Promise<boolean> {
    return (await send(api, '/v1/models', { key, method: 'GET' })).status === 200;
  }

  async function callMany(key: string, count: number, body = chat(MODEL)): Promise<Map<number, number>> {
    const statuses = new Map<number, number>();
    let next = 0;
    const caller = async () => {
      while (next < count) {
        const { status } = await send(apiOf(next++), CHAT, { key, body });
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
      }
    };
    await Promise.all(Array.from({ length: 24 }, caller));
    return statuses;
  }

  test(
    'hold 300 requests per minute together, within 2 %',
    async () => {
      const { key } = await makeKey({ requests_per_minute: 300 });

      const statuses = await callMany(key, 420);

      expect([...statuses.keys()].sort()).toEqual([200, 429]);
      expect(Math.abs((statuses.get(200) ?? 0) - 300)).toBeLessThanOrEqual(300 * TOLERANCE);
    },
    TEST_LIMIT_MS,
  );

  test(
    'hold 20 000 tokens per minute together, within 2 %',
    async () => {
      const { key } = await makeKey({ tokens_per_minute: 20_000 });
      // 200 tokens by estimate, and as many used: the number of answers tells the tokens.
      const statuses = await callMany(key, 150, chat(HUNDRED, 'abc '.repeat(100), { max_tokens: 100 }));

      expect([...statuses.keys()].sort()).toEqual([200, 429]);
      const { text } = await send(apiOf(0), CHAT, {
        body: chat(HUNDRED, 'abc '.repeat(100), { max_tokens: 100 }),
      });
      const tokens = (statuses.get(200) ?? 0) * JSON.parse(text).usage.total_tokens;
      expect(Math.abs(tokens - 20_000)).toBeLessThanOrEqual(20_000 * TOLERANCE);
    },
    TEST_LIMIT_MS,
  );

  test(
    'learn within a second of a new key, a changed limit, and a revoked key, whose streams are cut with an error',
    () =>
      inTime(async () => {
        const [, one, other] = [apiOf(0), apiOf(1), apiOf(2)];
        const { id, key, knownMs } = await makeKey({});
        const change = (models: string[] | null) =>
          send(apiOf(0), `/api/v1/keys/${id}`, { method: 'PATCH', body: { models } });
        const refused = async () => (await send(one, CHAT, { key, body: chat(MODEL) })).status === 403;

        await change(['other']);
        const changedMs = await timeOf(() => waitFor(refused, 'the change is felt'));
        await change(null);
        const backMs = await timeOf(() => waitFor(async () => !(await refused()), 'the change back is felt'));

        const streaming = send(other, CHAT, { key, body: chat(ENDLESS, 'Hi', { stream: true }) });
        await waitFor(() => fleet.model.openCalls() === 1, 'the stream runs');
        const revokedMs = performance.now();
        await send(apiOf(0), `/api/v1/keys/${id}`, { method: 'DELETE' });
        const { text } = await streaming;
        const cutMs = performance.now() - revokedMs;
        const forgottenMs = await timeOf(() =>
          waitFor(async () => !(await knows(one, key)), 'nobody knows the key'),
        );

        expect(JSON.parse(readEvents(text).at(-1) ?? '').error.code).toBe('invalid_api_key');
        for (const ms of [knownMs, changedMs, backMs, cutMs, forgottenMs]) expectWithin(1_000, ms);
      }),
    TEST_LIMIT_MS,
  );

  test(
    'go on with the keys they know while Postgres is away, and call none wrong',
    async () => {
      const { key } = await makeKey({ requests_per_minute: 1_000 });
      await postgres?.kill();

      for (const api of apis) {
        expect((await send(api, CHAT, { key, body: chat(MODEL) })).status).toBe(200);
        expect((await send(api, '/api/v1/keys', { method: 'GET' })).status).toBe(503);
      }
      await postgres?.restart();
      await waitFor(
        async () => (await send(apiOf(0), '/api/v1/keys', { method: 'GET' })).status === 200,
        'it is back',
      );
    },
    TEST_LIMIT_MS,
  );

  test(
    'let in nobody without asking while Redis is away: a 503, never a 401 and never a free pass',
    async () => {
      const { key } = await makeKey({ requests_per_minute: 1_000_000 });
      await fleet.redis?.kill();

      for (const api of apis) {
        const { status, headers } = await send(api, CHAT, { key, body: chat(MODEL) });
        expect(status).toBe(503);
        expect(headers.get('retry-after')).toMatch(/^\d+$/);
      }
      await fleet.redis?.restart();
      await waitFor(
        async () => (await send(apiOf(0), CHAT, { key, body: chat(MODEL) })).status === 200,
        'it is back',
        30_000,
      );
    },
    TEST_LIMIT_MS,
  );
});
