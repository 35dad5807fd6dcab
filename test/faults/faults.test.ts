// Each call of the table has a server of its own, so that all can run at once and none knows what another has shown. They
// are one caller's, so that no breaker opens, and the budget of retries is large.
import { randomUUID } from 'node:crypto';
import { afterAll, expect, test } from '@jest/globals';
import { createDemoServer, type DemoServer } from '../../servers/demo/demo-server.ts';
import { FAULT_NAMES, isFaultName } from '../../servers/demo/faults.ts';
import { chat, MANY_RETRIES, readEvents, startTestCitadel } from '../support/citadel.ts';
import { type DeadHost, startDeadHost } from '../support/dead-host.ts';
import { expectWithin, inTime } from '../support/in-time.ts';
import { waitFor } from '../support/wait-for.ts';
import { CONNECT_MS, FAULT_TABLE, type FaultRow, type Seen, SILENCE_MS } from './fault-table.ts';

type PlaceName = 'alone' | 'beside';

const PLACES: readonly PlaceName[] = ['alone', 'beside'];
/** So that a call that hangs does not hang the test. */
const GIVE_UP_MS = 20_000;

const MODES = ['whole', 'stream'] as const;
type Mode = (typeof MODES)[number];

const modelOf = (place: PlaceName, { fault }: FaultRow, mode: Mode) => `${place}-${fault}-${mode}`;
const good = createDemoServer({
  models: [
    { id: 'warm-up' },
    ...FAULT_TABLE.flatMap((row) => MODES.map((mode) => ({ id: modelOf('beside', row, mode) }))),
  ],
});
const faulty = new Map<string, DemoServer>();
const deadHosts: DeadHost[] = [];
/** What each call took, by model. */
const tookMs = new Map<string, number>();

const CASES = FAULT_TABLE.flatMap((row) =>
  PLACES.map((place): [string, PlaceName, FaultRow] => [row.fault, place, row]),
);

// Here and not in beforeAll: tests that run at once begin before that has ended.
const citadel = await startAll();

afterAll(async () => {
  process.stdout.write(`${timesText()}\n`);
  await citadel.stop();
  await Promise.all([
    ...deadHosts.map((host) => host.close()),
    ...[good, ...faulty.values()].map((s) => s.stop()),
  ]);
});

test('the table has every fault of the simulated server', () => {
  const faults = [...FAULT_TABLE.map(({ fault }) => fault).filter(isFaultName), 'oversized'];
  expect(faults.sort()).toEqual(FAULT_NAMES.map(({ name }) => name).sort());
});

test.concurrent.each(CASES)('%s, %s: callers see what the table says, in time', async (_, place, row) => {
  for (const mode of MODES) await inTime(() => expectAsTold(place, row, mode));
});

async function expectAsTold(place: PlaceName, row: FaultRow, mode: Mode): Promise<void> {
  const stream = mode === 'stream';
  const model = modelOf(place, row, mode);
  const comeBack = await prepare(model, row);
  const startedMs = performance.now();
  const { seen, text, nonce } = await call(model, stream);
  const ms = performance.now() - startedMs;
  tookMs.set(model, ms);
  await comeBack();

  expect(seen).toMatchObject(row[place][mode]);
  if (seen.end === 'answered') expect(stream ? contentOf(text) : text).toContain(nonce);
  const server = faulty.get(model);
  await waitFor(() => server?.openCalls() === 0, 'no call is left open');
  expectWithin(row[place].withinMs, ms);
}

/** The table's times, as they were this time. */
function timesText(): string {
  const lines = FAULT_TABLE.map((row) => {
    const cells = PLACES.map((place) => {
      const times = MODES.map((mode) => tookMs.get(modelOf(place, row, mode))?.toFixed(0) ?? '–');
      return `${place} ${times.join(' and ')} (within ${row[place].withinMs})`;
    });
    return `  ${row.fault}: ${cells.join(', ')}`;
  });
  return ['ms until callers saw the end of each fault, whole and streamed:', ...lines].join('\n');
}

async function startAll() {
  await good.start();
  const servers = [];
  for (const { model } of everyCall()) {
    const server = createDemoServer({ models: [{ id: model }] });
    await server.start();
    faulty.set(model, server);
    servers.push({ id: `faulty-${model}`, hostname: '127.0.0.1', port: server.port });
  }
  // An idle balancer asks the first of equals.
  servers.push({ id: 'good', hostname: '127.0.0.1', port: good.port });
  const started = await startTestCitadel({
    withKey: true,
    env: {
      ...MANY_RETRIES,
      CITADEL_LIMITS_CONNECT_MS: String(CONNECT_MS),
      CITADEL_LIMITS_FIRST_TOKEN_MS: String(SILENCE_MS),
      CITADEL_LIMITS_LOAD_MS: String(SILENCE_MS),
      CITADEL_LIMITS_IDLE_MS: String(SILENCE_MS),
      CITADEL_SERVERS: JSON.stringify(servers),
    },
  });
  for (const { model, row } of everyCall()) await breakServer(model, row);
  // A first request pays for what is compiled and connected.
  await (await started.post('/v1/chat/completions', chat('warm-up'))).text();
  return started;
}

function everyCall(): { model: string; row: FaultRow }[] {
  return CASES.flatMap(([, place, row]) => MODES.map((mode) => ({ model: modelOf(place, row, mode), row })));
}

/** What goes wrong from now on; the server has been seen healthy. */
async function breakServer(model: string, row: FaultRow): Promise<void> {
  const server = faulty.get(model);
  if (!server) return;
  if (isFaultName(row.fault)) server.setFault(row.fault);
  if (row.fault === 'not-listening' || row.fault === 'dead-host') await server.stop();
  if (row.fault === 'dead-host') deadHosts.push(await startDeadHost(server.port));
}

/** What must be so before each call. Answers what must be done after it. */
async function prepare(model: string, { fault }: FaultRow): Promise<() => Promise<void>> {
  const server = faulty.get(model);
  if (fault !== 'flap' || !server) return async () => {};
  await server.stop();
  return async () => {
    await server.start();
    const isServing = async () => (await call(model, false)).seen.end === 'answered';
    await waitFor(isServing, 'calls are answered again');
  };
}

async function call(model: string, stream: boolean): Promise<{ seen: Seen; text: string; nonce: string }> {
  // The simulated server knows a body again.
  const nonce = `nonce ${randomUUID()}`;
  const response = await citadel.post('/v1/chat/completions', chat(model, nonce, { stream }), {
    signal: AbortSignal.timeout(GIVE_UP_MS),
  });
  const text = await response.text();
  const { status, headers } = response;
  const server = headers.get('x-citadel-server');
  const facts = {
    status,
    attempts: Number(headers.get('x-citadel-attempts')),
    retryAfter: headers.get('retry-after'),
    server: server === null ? null : server === 'good' ? ('good' as const) : ('faulty' as const),
  };
  const error = status === 200 ? errorAtEnd(text, stream) : text;
  if (error === null) return { seen: { ...facts, end: 'answered', code: null }, text, nonce };
  const end = status === 200 ? 'cut' : 'refused';
  return { seen: { ...facts, end, code: codeOf(error) }, text, nonce };
}

/** The error event that a stream ends with; null when it is whole. */
function errorAtEnd(text: string, stream: boolean): string | null {
  if (!stream) return null;
  const events = readEvents(text);
  const last = events.at(-1) ?? '';
  if (last === '[DONE]') return null;
  // A caller that has seen a fault must never see the end of a right answer too.
  expect(events).not.toContain('[DONE]');
  expect(events.length).toBeGreaterThan(1);
  return last;
}

/** The code of an error that has OpenAI's shape. */
function codeOf(text: string): string {
  const anyText = expect.any(String);
  const { error, ...rest } = JSON.parse(text);
  expect(rest).toEqual({});
  expect(error).toEqual({ message: anyText, type: anyText, param: error.param, code: anyText });
  expect(error.param === null || typeof error.param === 'string').toBe(true);
  return error.code;
}

function contentOf(text: string): string {
  return readEvents(text)
    .filter((data) => data !== '[DONE]')
    .map((data) => JSON.parse(data).choices[0]?.delta.content ?? '')
    .join('');
}
