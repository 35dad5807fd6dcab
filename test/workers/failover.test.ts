import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createDemoServer, type DemoServer } from '../../servers/demo/demo-server.ts';
import type { FaultName } from '../../servers/demo/faults.ts';
import type { KnownServer } from '../../servers/registry.ts';
import {
  chat,
  MANY_RETRIES,
  readEvents,
  SHORT_LIMITS,
  startTestCitadel,
  type TestCitadel,
} from '../support/citadel.ts';
import { expectWithin, inTime, timeOf } from '../support/in-time.ts';
import { waitFor } from '../support/wait-for.ts';

/** So that a call that hangs does not hang the test. */
const GIVE_UP_MS = 20_000;
const MODEL = 'shared';

let citadel: TestCitadel;
/** An idle balancer asks the first one first. */
let first: DemoServer;
let second: DemoServer;

beforeAll(async () => {
  [first, second] = await Promise.all([startServer(), startServer()]);
  const servers = [
    { id: 'first', hostname: '127.0.0.1', port: first.port },
    { id: 'second', hostname: '127.0.0.1', port: second.port },
  ];
  const env = {
    ...SHORT_LIMITS,
    ...MANY_RETRIES,
    CITADEL_HEALTH_SUSPICIOUS_INTERVAL_MS: '20',
    CITADEL_HEALTH_HEALTHY_AFTER: '1',
    CITADEL_SERVERS: JSON.stringify(servers),
  };
  citadel = await startTestCitadel({ env, withKey: true });
}, 60_000);

afterAll(async () => {
  await citadel?.stop();
  await Promise.all([first?.stop(), second?.stop()]);
});

beforeEach(makeWell);

async function makeWell(): Promise<void> {
  first.setFault(undefined);
  second.setFault(undefined);
  await first.start();
  const { registry } = citadel.process;
  const isReady = ({ state, health }: KnownServer) =>
    state === 'healthy' && [...health.coolUntilMs.values()].every((untilMs) => untilMs < performance.now());
  await waitFor(() => registry.servers().every(isReady), 'both take calls');
}

describe('two servers with one model', () => {
  test.each<[FaultName, number]>([
    ['bad-request', 400],
    ['context-length', 400],
    ['unauthorized', 502],
  ])('what another server could not mend is not asked of it (%s)', async (fault, status) => {
    first.setFault(fault);
    const callsBefore = second.calls().length;
    expect(await call(false)).toMatchObject({ status, server: 'first', attempts: 1 });
    expect(second.calls().length).toBe(callsBefore);
  });

  test('the other one answers at once when the first is not there at all', () =>
    inTime(async () => {
      await makeWell();
      await first.stop();
      expectWithin(
        1_000,
        await timeOf(async () => expect(await call(false)).toEqual(answeredBy('second', 2))),
      );
    }));

  test.each<FaultName>(['refuse', 'error-500', 'malformed-json'])(
    'a server that fails costs its callers less than 100 ms as a rule (%s)',
    (fault) =>
      inTime(async () => {
        await makeWell();
        const usually = await medianMs();
        first.setFault(fault);
        expectWithin(100, (await medianMs()) - usually);
      }),
  );

  test('each is asked once when both hang, and the caller hears of it after two first-token limits', () =>
    inTime(async () => {
      await makeWell();
      first.setFault('hang');
      second.setFault('hang');

      const tookMs = await timeOf(async () =>
        expect(await call(true)).toMatchObject({ status: 504, attempts: 2 }),
      );

      await expectNoOpenCall();
      expectWithin(4_000, tookMs);
    }));

  test('no request asks more than three times when both fail', async () => {
    first.setFault('error-500');
    second.setFault('error-500');
    const callsBefore = first.calls().length + second.calls().length;
    expect(await call(false)).toMatchObject({ status: 502, attempts: 3 });
    expect(first.calls().length + second.calls().length - callsBefore).toBe(3);
  });

  test('the first is asked again as soon as it is well', async () => {
    first.setFault('error-500');
    expect(await call(false)).toEqual(answeredBy('second', 2));
    first.setFault(undefined);
    expect(await call(false)).toEqual(answeredBy('first', 1));
  });

  test('twenty calls at once are all answered while one of the servers is cut off', async () => {
    const calls = Array.from({ length: 20 }, () => call(false));
    await first.stop();
    const seen = await Promise.all(calls);
    expect(seen.map(({ status }) => status)).toEqual(Array(20).fill(200));
  });
});

interface Seen {
  status: number;
  server: string | null;
  attempts: number;
  isWhole: boolean;
}

function answeredBy(server: string, attempts: number): Seen {
  return { status: 200, server, attempts, isWhole: true };
}

async function call(stream: boolean): Promise<Seen> {
  const response = await citadel.post('/v1/chat/completions', chat(MODEL, 'Hi', { stream }), {
    signal: AbortSignal.timeout(GIVE_UP_MS),
  });
  const text = await response.text();
  return {
    status: response.status,
    server: response.headers.get('x-citadel-server'),
    attempts: Number(response.headers.get('x-citadel-attempts')),
    isWhole: stream ? readEvents(text).at(-1) === '[DONE]' : text.includes('CITADEL_SERVERS'),
  };
}

/** Of eleven calls, one after the other. */
async function medianMs(): Promise<number> {
  const times: number[] = [];
  for (let at = 0; at < 11; at += 1) {
    const startedMs = performance.now();
    expect(await call(at % 2 === 0)).toMatchObject({ status: 200, isWhole: true });
    times.push(performance.now() - startedMs);
  }
  return times.toSorted((a, b) => a - b)[5] ?? Number.POSITIVE_INFINITY;
}

function startServer(): Promise<DemoServer> {
  const server = createDemoServer({ models: [{ id: MODEL }] });
  return server.start().then(() => server);
}

async function expectNoOpenCall(): Promise<void> {
  await waitFor(() => first.openCalls() + second.openCalls() === 0, 'no call is open');
}
