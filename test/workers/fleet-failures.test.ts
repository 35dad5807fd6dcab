import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { createDemoServer, type DemoServer } from '../../servers/demo/demo-server.ts';
import { chat, readEvents, startTestCitadel, type TestCitadel } from '../support/citadel.ts';
import { expectWithin, inTime } from '../support/in-time.ts';
import { waitFor } from '../support/wait-for.ts';

const MODEL = 'shared';
const STREAM = 'sim:token=20+tokens=10000';
const IDS = ['first', 'second'] as const;
const SHORT_STREAM = 'sim:token=10+tokens=150';
const TWO_HOURS_MS = 7_200_000;

let citadel: TestCitadel;
const servers = {} as Record<(typeof IDS)[number], DemoServer>;
const wallClock = { offsetMs: 0, now: Date.now };

beforeAll(async () => {
  Date.now = () => wallClock.now() + wallClock.offsetMs;
  for (const id of IDS) {
    servers[id] = createDemoServer({
      models: [{ id: MODEL }, { id: STREAM }, { id: SHORT_STREAM }],
      simModels: true,
    });
    await servers[id].start();
  }
  const registrations = IDS.map((id) => ({ id, hostname: '127.0.0.1', port: servers[id].port }));
  const env = {
    // A hundred streams at once on a busy machine are slow, and not dead.
    CITADEL_LIMITS_CONNECT_MS: '10000',
    CITADEL_SERVERS: JSON.stringify(registrations),
    CITADEL_CLASSES_LIGHTWEIGHT_CONCURRENCY: '200',
    CITADEL_HEALTH_SUSPICIOUS_INTERVAL_MS: '50',
  };
  citadel = await startTestCitadel({ env, withKey: true });
}, 60_000);

afterEach(async () => {
  wallClock.offsetMs = 0;
  await Promise.all(IDS.map((id) => servers[id].start()));
  await waitFor(() => statesOf().every((state) => state === 'healthy'), 'both are healthy');
});

afterAll(async () => {
  await citadel?.stop();
  await Promise.all(Object.values(servers).map((server) => server.stop()));
  Date.now = wallClock.now;
});

const statesOf = () => citadel.process.registry.servers().map(({ state }) => state);
const post = (body: object) => citadel.post('/v1/chat/completions', body);

describe('a server that dies', () => {
  test('with fifty streams open ends each in an error, and new calls go to the other one', async () => {
    const answers = await Promise.all(
      Array.from({ length: 110 }, (_, index) => post(chat(STREAM, `stream ${index}`, { stream: true }))),
    );
    const dying = answers.filter(({ headers }) => headers.get('x-citadel-server') === 'first');
    for (const answer of answers) {
      if (!dying.includes(answer)) await answer.body?.cancel();
    }
    expect(dying.length).toBeGreaterThanOrEqual(50);
    const texts = Promise.all(dying.map((answer) => answer.text()));

    await servers.first.stop();

    for (const text of await texts) {
      const events = readEvents(text);
      expect(JSON.parse(events.at(-1) ?? '{}')).toHaveProperty('error.code', 'bad_backend');
      expect(events).not.toContain('[DONE]');
    }
    const after = await Promise.all(
      Array.from({ length: 20 }, (_, index) => post(chat(MODEL, `call ${index}`))),
    );
    expect(after.map(({ status }) => status)).toEqual(Array(20).fill(200));
    expect(after.map(({ headers }) => headers.get('x-citadel-server'))).toEqual(Array(20).fill('second'));
  });

  test('is unhealthy after three checks, and healthy five checks after its return', async () => {
    await servers.first.stop();
    await waitFor(
      () => statesOf()[0] !== 'healthy' || post(chat(MODEL)).then(() => false),
      'the first signs',
    );
    await waitFor(() => statesOf()[0] === 'unhealthy', 'it is unhealthy');

    await servers.first.start();
    await waitFor(() => statesOf()[0] === 'degraded', 'it answers again');

    await waitFor(() => statesOf()[0] === 'healthy', 'it is healthy');
  });
});

describe('all servers down', () => {
  test('a request is refused at once, with when to try again, and works as soon as one is back', async () => {
    await Promise.all(IDS.map((id) => servers[id].stop()));
    await post(chat(MODEL));

    await inTime(async () => {
      const sinceMs = performance.now();
      const refused = await post(chat(MODEL));
      const tookMs = performance.now() - sinceMs;

      expect(refused.status).toBe(503);
      expect(await refused.json()).toMatchObject({ error: { code: 'no_healthy_server' } });
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
      expectWithin(200, tookMs);
    });
    await servers.second.start();
    const answered = await waitFor(async () => {
      const response = await post(chat(MODEL));
      return response.status === 200 ? response : null;
    }, 'an answer');
    expect(answered.headers.get('x-citadel-server')).toBe('second');
  });
});

/** Until Citadel knows it. */
async function stopAll(): Promise<void> {
  await Promise.all(IDS.map((id) => servers[id].stop()));
  await post(chat(MODEL));
  await waitFor(() => statesOf().every((state) => state === 'unhealthy'), 'no server is well', 5_000);
}

describe('a request that may wait for a server', () => {
  const waiting = (maxWaitMs: number, stream: boolean) =>
    citadel.post('/v1/chat/completions', chat(MODEL, 'patient', { stream }), {
      headers: { 'x-citadel-max-wait-ms': String(maxWaitMs) },
    });

  test.each([false, true])(
    'while there is none is answered by the first one that returns (stream: %p)',
    async (stream) => {
      await stopAll();
      const sinceMs = performance.now();
      const answer = waiting(10_000, stream);
      expect((await post(chat(MODEL))).status).toBe(503);

      await servers.second.start();

      const response = await answer;
      const text = await response.text();
      expect([response.status, response.headers.get('x-citadel-server')]).toEqual([200, 'second']);
      expect(text).toContain(stream ? '[DONE]' : 'patient');
      expect(performance.now() - sinceMs).toBeLessThan(5_000);
    },
  );

  test('and for which none returns is refused when its time is over, and not before', async () => {
    await stopAll();
    const sinceMs = performance.now();

    const response = await waiting(600, false);

    expect(performance.now() - sinceMs).toBeGreaterThanOrEqual(590);
    expect(performance.now() - sinceMs).toBeLessThan(3_000);
    expect([response.status, await response.json()]).toMatchObject([
      503,
      { error: { code: 'no_healthy_server' } },
    ]);
    expect(Number(response.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
  });
});

describe('a wall clock that is set two hours', () => {
  test.each([
    ['forward', TWO_HOURS_MS],
    ['back', -TWO_HOURS_MS],
  ])('%s changes nothing for the calls that run, nor for those that come', async (_, offsetMs) => {
    const running = post(chat(MODEL, 'running')).then((response) => response.status);
    const stream = await post(chat(SHORT_STREAM, 'long', { stream: true }));
    const checksBefore = servers.first.requests.length;

    wallClock.offsetMs = offsetMs;

    expect(await running).toBe(200);
    expect(readEvents(await stream.text()).at(-1)).toBe('[DONE]');
    expect((await post(chat(MODEL, 'after'))).status).toBe(200);
    expect(statesOf()).toEqual(['healthy', 'healthy']);
    expect(servers.first.requests.length - checksBefore).toBeLessThan(5);
  });
});
