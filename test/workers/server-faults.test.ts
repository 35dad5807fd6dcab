import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { FAULT_NAMES, type FaultName } from '../../servers/demo/faults.ts';
import { chat, readEvents, SHORT_LIMITS, startTestCitadel, type TestCitadel } from '../support/citadel.ts';
import { waitFor } from '../support/wait-for.ts';

/** How a call ends for its caller. `answered`: whole, with a stream's [DONE]. `cut`: some of a stream, then an error. */
interface Seen {
  end: 'answered' | 'refused' | 'cut';
  status: number;
  code: string | null;
  attempts: number;
}

interface Row {
  fault: FaultName;
  whole: Seen;
  stream: Seen;
}

const answered = (attempts = 1): Seen => ({ end: 'answered', status: 200, code: null, attempts });
const refused = (status: number, code: string, attempts: number): Seen => ({
  end: 'refused',
  status,
  code,
  attempts,
});
const cut = (code: string): Seen => ({ end: 'cut', status: 200, code, attempts: 1 });
const same = (fault: FaultName, seen: Seen): Row => ({ fault, whole: seen, stream: seen });

const BAD = refused(502, 'bad_backend', 3);
const SILENT = refused(504, 'deadline_exceeded', 1);

// Each fault on the only server that has the model: what could be tried elsewhere is tried again here.
const ROWS: Row[] = [
  same('refuse', refused(503, 'no_healthy_server', 3)),
  same('hang', SILENT),
  same('error-500', BAD),
  same('error-503', BAD),
  same('rate-limit', refused(429, 'rate_limit_exceeded', 1)),
  same('rate-limit-retry-after', refused(429, 'rate_limit_exceeded', 1)),
  same('bad-request', refused(400, '400', 1)),
  same('context-length', refused(400, 'context_length_exceeded', 1)),
  same('unauthorized', refused(502, 'bad_backend', 1)),
  same('malformed-json', BAD),
  { fault: 'malformed-chunk', whole: BAD, stream: cut('bad_backend') },
  same('html', BAD),
  same('empty', BAD),
  same('error-event', BAD),
  { fault: 'cut-stream', whole: BAD, stream: cut('bad_backend') },
  same('no-done', answered()),
  { fault: 'no-finish', whole: BAD, stream: cut('bad_backend') },
  { fault: 'stall', whole: SILENT, stream: cut('deadline_exceeded') },
  same('slow-trickle', SILENT),
  same('empty-choices', BAD),
  same('no-stream', answered()),
  same('flaky-500', answered(2)),
  same('crlf', answered()),
];

/** Longer than any time-out and all retries of SHORT_LIMITS, far shorter than the time-outs Citadel has otherwise. */
const END_WITHIN_MS = 5_000;
const MANY_WITHIN_MS = 25_000;

let citadel: TestCitadel;

beforeAll(async () => {
  const models = ['sim-chat', ...FAULT_NAMES.map(({ name }) => `sim:${name}`)];
  citadel = await startTestCitadel({ env: SHORT_LIMITS, models });
}, 60_000);

afterAll(async () => {
  await citadel?.stop();
});

describe('a server that goes wrong', () => {
  test('has its row here, whatever it does', () => {
    const faults = [...ROWS.map(({ fault }) => fault), 'oversized'];
    expect(faults.sort()).toEqual(FAULT_NAMES.map(({ name }) => name).sort());
  });

  describe.each(ROWS)('$fault', ({ fault, whole, stream }) => {
    test(`ends a whole answer as ${describeEnd(whole)}, in time, and leaves no call open`, async () => {
      const { seen, text, nonce } = await call(`sim:${fault}`, false);
      expect(seen).toEqual(whole);
      if (whole.end === 'answered') expect(text).toContain(nonce);
      await expectGood();
    });

    test(`ends a stream as ${describeEnd(stream)}, in time, and leaves no call open`, async () => {
      const { seen, text, nonce } = await call(`sim:${fault}`, true);
      expect(seen).toEqual(stream);
      if (stream.end === 'answered') expect(contentOf(text)).toContain(nonce);
      await expectGood();
    });
  });

  test.each([false, true])(
    'has its own words passed on where the request was at fault (stream: %s)',
    async (stream) => {
      const badRequest = await citadel.post(
        '/v1/chat/completions',
        chat('sim:bad-request', 'Hi', { stream }),
      );
      expect(await badRequest.json()).toEqual({
        error: {
          message: 'The messages are not acceptable.',
          type: 'BadRequestError',
          param: 'messages',
          code: '400',
        },
      });
      const tooLong = await citadel.post(
        '/v1/chat/completions',
        chat('sim:context-length', 'Hi', { stream }),
      );
      expect(await tooLong.json()).toEqual({
        error: {
          message: "This model's maximum context length is 4096 tokens.",
          type: 'invalid_request_error',
          param: 'messages',
          code: 'context_length_exceeded',
        },
      });
    },
  );

  test.each([
    ['sim:rate-limit', '1'],
    ['sim:rate-limit-retry-after', '2'],
  ])('that is rate limited says when to try again: %s → Retry-After %s', async (model, seconds) => {
    const response = await citadel.post('/v1/chat/completions', chat(model));
    expect(response.status).toBe(429);
    expect(response.headers.get('retry-after')).toBe(seconds);
    await response.text();
  });

  test('never shows its key, its address or its HTML in an error', async () => {
    for (const model of ['sim:unauthorized', 'sim:html', 'sim:refuse', 'sim:error-500']) {
      const text = await (await citadel.post('/v1/chat/completions', chat(model))).text();
      expect(text).not.toMatch(/Incorrect API key|nginx|127\.0\.0\.1|ECONN/);
    }
  });

  test('that sends without end is cut off from a caller who streams, with an error where it still reads', async () => {
    const response = await citadel.post(
      '/v1/chat/completions',
      chat('sim:oversized', 'Hi', { stream: true }),
      {
        signal: AbortSignal.timeout(MANY_WITHIN_MS),
      },
    );
    // Within one process the reader may fall behind: then its connection breaks, which is no clean end either.
    const end = await readEnd(response).catch((error: Error) => error.name);
    if (end === 'TypeError') return;
    expectErrorShape(readEvents(end).at(-1) ?? end);
    await expectGood();
  });

  test('that sends without end costs bounded memory, also four at once', async () => {
    const before = process.memoryUsage().rss;
    let peak = before;
    const watch = setInterval(() => {
      peak = Math.max(peak, process.memoryUsage().rss);
    }, 20);
    const calls = await Promise.all(
      Array.from({ length: 4 }, () => call('sim:oversized', false, MANY_WITHIN_MS)),
    );
    clearInterval(watch);
    // Some wait so long behind the others that they have no first token in time.
    for (const { seen } of calls) expect([502, 504]).toContain(seen.status);
    // The server, which offers 4 GiB, is in this process too.
    expect((peak - before) / 1e6).toBeLessThan(700);
    await expectGood();
  });
});

async function call(
  model: string,
  stream: boolean,
  limitMs = END_WITHIN_MS,
): Promise<{ seen: Seen; text: string; nonce: string }> {
  // The simulated server knows a body again.
  const nonce = `nonce ${randomUUID()}`;
  const response = await citadel.post('/v1/chat/completions', chat(model, nonce, { stream }), {
    signal: AbortSignal.timeout(limitMs),
  });
  const text = await response.text();
  const { status, headers } = response;
  if (status !== 200) expectErrorShape(text);
  const seen = { status, attempts: Number(headers.get('x-citadel-attempts')) };
  if (status !== 200)
    return { seen: { ...seen, end: 'refused', code: JSON.parse(text).error.code }, text, nonce };
  if (!stream) return { seen: { ...seen, end: 'answered', code: null }, text, nonce };

  const events = readEvents(text);
  const last = events.at(-1) ?? '';
  if (last === '[DONE]') return { seen: { ...seen, end: 'answered', code: null }, text, nonce };
  expectErrorShape(last);
  // A caller that has seen a fault must never see the end of a right answer too.
  expect(events).not.toContain('[DONE]');
  expect(events.length).toBeGreaterThan(1);
  return { seen: { ...seen, end: 'cut', code: JSON.parse(last).error.code }, text, nonce };
}

function expectErrorShape(text: string): void {
  const anyText = expect.any(String);
  const { error, ...rest } = JSON.parse(text);
  expect(rest).toEqual({});
  expect(error).toEqual({ message: anyText, type: anyText, param: error.param, code: anyText });
  expect(error.param === null || typeof error.param === 'string').toBe(true);
}

/** The server has no call left, and the next request is answered. */
async function expectGood(): Promise<void> {
  await waitFor(() => citadel.model.openCalls() === 0, 'the server has no open call', 1_000);
  const response = await citadel.post('/v1/chat/completions', chat('sim-chat', 'Still there?'));
  expect(response.status).toBe(200);
  expect(await response.text()).toContain('Still there?');
}

/** The end of a body that may be long. */
async function readEnd(response: Response): Promise<string> {
  let end = '';
  const decoder = new TextDecoder();
  for await (const bytes of response.body ?? []) end = (end + decoder.decode(bytes)).slice(-1_000);
  return end;
}

function contentOf(text: string): string {
  return readEvents(text)
    .filter((data) => data !== '[DONE]')
    .map((data) => JSON.parse(data).choices[0]?.delta.content ?? '')
    .join('');
}

function describeEnd({ end, status, code }: Seen): string {
  return code === null ? `${end}` : `${end} ${status} ${code}`;
}
