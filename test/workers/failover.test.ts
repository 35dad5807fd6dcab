import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createDemoServer, type DemoServer } from '../../servers/demo/demo-server.ts';
import type { FaultName } from '../../servers/demo/faults.ts';
import { chat, readEvents, SHORT_LIMITS, startTestCitadel, type TestCitadel } from '../support/citadel.ts';
import { waitFor } from '../support/wait-for.ts';

const END_WITHIN_MS = 5_000;
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
    CITADEL_LIMITS_FIRST_TOKEN_MS: '1000',
    CITADEL_SERVERS: JSON.stringify(servers),
  };
  citadel = await startTestCitadel({ env });
}, 60_000);

afterAll(async () => {
  await citadel?.stop();
  await Promise.all([first?.stop(), second?.stop()]);
});

beforeEach(async () => {
  first.setFault(undefined);
  second.setFault(undefined);
  await first.start();
});

describe('two servers with one model', () => {
  const MOVED: FaultName[] = [
    'refuse',
    'hang',
    'error-500',
    'error-503',
    'rate-limit',
    'malformed-json',
    'html',
    'empty',
    'error-event',
    'empty-choices',
    'slow-trickle',
  ];

  test.each(MOVED.flatMap((fault) => [false, true].map((stream) => ({ fault, stream }))))(
    'the other one answers when the first has the fault $fault (stream: $stream)',
    async ({ fault, stream }) => {
      first.setFault(fault);
      expect(await call(stream)).toEqual(answeredBy('second', 2));
      await expectNoOpenCall();
    },
  );

  test.each<FaultName>(['cut-stream', 'stall', 'no-finish', 'malformed-chunk'])(
    'the other one gives the whole answer when the first breaks off (%s)',
    async (fault) => {
      first.setFault(fault);
      expect(await call(false)).toMatchObject({ status: 200 });
      await expectNoOpenCall();
    },
  );

  test.each<FaultName>(['cut-stream', 'stall', 'no-finish', 'malformed-chunk'])(
    'a stream that has begun is not begun anew elsewhere: it ends in an error (%s)',
    async (fault) => {
      first.setFault(fault);
      const callsBefore = generatingCalls(second);

      const response = await citadel.post('/v1/chat/completions', chat(MODEL, 'Hi', { stream: true }));
      const events = readEvents(await response.text());

      expect(response.headers.get('x-citadel-server')).toBe('first');
      expect(response.headers.get('x-citadel-attempts')).toBe('1');
      expect(JSON.parse(events.at(-1) ?? '{}')).toHaveProperty('error.code');
      expect(events).not.toContain('[DONE]');
      expect(generatingCalls(second)).toBe(callsBefore);
      await expectNoOpenCall();
    },
  );

  test.each<[FaultName, number]>([
    ['bad-request', 400],
    ['context-length', 400],
    ['unauthorized', 502],
  ])('what another server could not mend is not asked of it (%s)', async (fault, status) => {
    first.setFault(fault);
    const callsBefore = generatingCalls(second);
    expect(await call(false)).toMatchObject({ status, server: 'first', attempts: 1 });
    expect(generatingCalls(second)).toBe(callsBefore);
  });

  test('the other one answers at once when the first is not there at all', async () => {
    await first.stop();
    const startedMs = performance.now();
    expect(await call(false)).toEqual(answeredBy('second', 2));
    expect(performance.now() - startedMs).toBeLessThan(1_000);
  });

  test('each is asked once when both hang, and the caller hears of it after two first-token limits', async () => {
    first.setFault('hang');
    second.setFault('hang');
    const startedMs = performance.now();

    expect(await call(true)).toMatchObject({ status: 504, attempts: 2 });

    expect(performance.now() - startedMs).toBeLessThan(4_000);
    await expectNoOpenCall();
  });

  test('no request asks more than three times when both fail', async () => {
    first.setFault('error-500');
    second.setFault('error-500');
    const callsBefore = generatingCalls(first) + generatingCalls(second);
    expect(await call(false)).toMatchObject({ status: 502, attempts: 3 });
    expect(generatingCalls(first) + generatingCalls(second) - callsBefore).toBe(3);
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
    signal: AbortSignal.timeout(END_WITHIN_MS),
  });
  const text = await response.text();
  return {
    status: response.status,
    server: response.headers.get('x-citadel-server'),
    attempts: Number(response.headers.get('x-citadel-attempts')),
    isWhole: stream ? readEvents(text).at(-1) === '[DONE]' : text.includes('CITADEL_SERVERS'),
  };
}

function startServer(): Promise<DemoServer> {
  const server = createDemoServer({ models: [{ id: MODEL }] });
  return server.start().then(() => server);
}

function generatingCalls({ requests }: DemoServer): number {
  return requests.filter(({ method }) => method === 'POST').length;
}

async function expectNoOpenCall(): Promise<void> {
  await waitFor(() => first.openCalls() + second.openCalls() === 0, 'no call is open', 1_000);
}
