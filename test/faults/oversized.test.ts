import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { ErrorBody } from '../../core/errors.ts';
import { chat, readEvents, startTestCitadel, type TestCitadel } from '../support/citadel.ts';
import { waitFor } from '../support/wait-for.ts';

const MANY_WITHIN_MS = 25_000;
const ONE_WITHIN_MS = 10_000;

let citadel: TestCitadel;

beforeAll(async () => {
  citadel = await startTestCitadel({ models: ['sim-chat', 'sim:oversized'] });
}, 60_000);

afterAll(async () => {
  await citadel?.stop();
});

describe('a server that sends without end', () => {
  test('is cut off, and its caller gets a 502 after one attempt', async () => {
    const startedMs = performance.now();
    const response = await ask(false);
    expect(response.status).toBe(502);
    expect(response.headers.get('x-citadel-attempts')).toBe('1');
    expectError(await response.text());
    expect(performance.now() - startedMs).toBeLessThan(ONE_WITHIN_MS);
    await expectGood();
  });

  test('is cut off from a caller who streams, with an error where it still reads', async () => {
    const startedMs = performance.now();
    const response = await ask(true);
    // Within one process the reader may fall behind: then its connection breaks, which is no clean end either.
    const end = await readEnd(response).catch((error: Error) => error.name);
    expect(performance.now() - startedMs).toBeLessThan(MANY_WITHIN_MS);
    if (end === 'TypeError') return;
    expectError(readEvents(end).at(-1) ?? end);
    await expectGood();
  });

  test('costs bounded memory, also four at once', async () => {
    const before = process.memoryUsage().rss;
    let peak = before;
    const watch = setInterval(() => {
      peak = Math.max(peak, process.memoryUsage().rss);
    }, 20);
    const responses = await Promise.all(Array.from({ length: 4 }, () => ask(false)));
    clearInterval(watch);
    // Some wait so long behind the others that they have no first token in time.
    for (const response of responses) expect([502, 504]).toContain(response.status);
    // The server, which offers 4 GiB, is in this process too.
    expect((peak - before) / 1e6).toBeLessThan(700);
    await expectGood();
  });
});

function ask(stream: boolean): Promise<Response> {
  const signal = AbortSignal.timeout(MANY_WITHIN_MS);
  return citadel.post('/v1/chat/completions', chat('sim:oversized', 'Hi', { stream }), { signal });
}

function expectError(text: string): void {
  const { error } = JSON.parse(text) as ErrorBody;
  expect(error).toMatchObject({ type: 'server_error', code: expect.any(String), param: null });
}

/** The server has no call left, and the next request is answered. */
async function expectGood(): Promise<void> {
  await waitFor(() => citadel.model.openCalls() === 0, 'the server has no open call');
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
