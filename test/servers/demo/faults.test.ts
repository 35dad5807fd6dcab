import { describe, expect, test } from '@jest/globals';
import OpenAI from 'openai';
import { FAULT_NAMES, type FaultName } from '../../../servers/demo/faults.ts';
import { eventsOf, HELLO, post, setup, type WireAnswer } from './setup.ts';

const TOKENS = 10;
/** How long a reader waits for more of what never ends. */
const GIVE_UP_MS = 1_000;
const ENDLESS: readonly FaultName[] = ['hang', 'stall', 'slow-trickle'];

interface Asked {
  isStream?: boolean;
  chunksMax?: number;
  path?: string;
}

async function ask(fault: FaultName, { isStream = true, chunksMax, path = 'chat/completions' }: Asked = {}) {
  await using server = await setup({ fault, tokens: TOKENS, pacing: { firstTokenMs: 1, tokenMs: 1 } });
  const body = { ...HELLO, prompt: 'Hello', input: 'Hello', stream: isStream };
  const limitMs = ENDLESS.includes(fault) ? GIVE_UP_MS : undefined;
  return await post(`${server.url}/v1/${path}`, body, { limitMs, chunksMax });
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** What a reader of the stream learns: tokens, finish reasons, broken events, whether [DONE] came, how it ended. */
function summary({ text, ending }: WireAnswer) {
  const events = eventsOf(text).filter((event) => event !== '[DONE]');
  const choices = events.filter(isJson).flatMap((event) => JSON.parse(event).choices ?? []);
  return {
    tokens: choices.filter(({ delta }) => delta.content).length,
    finished: choices.filter(({ finish_reason }) => finish_reason !== null).length,
    broken: events.filter((event) => !isJson(event)).length,
    done: text.trimEnd().endsWith('data: [DONE]'),
    ending,
  };
}

describe('a stream', () => {
  const right = { tokens: TOKENS, finished: 1, broken: 0, done: true, ending: 'end' };
  const halved = { tokens: TOKENS / 2, finished: 0, broken: 0, done: false };
  test.each<[FaultName, object]>([
    ['malformed-json', { ...right, broken: 1 }],
    ['malformed-chunk', { ...right, broken: 1 }],
    ['empty', { tokens: 0, finished: 0, broken: 0, done: false, ending: 'end' }],
    ['cut-stream', { ...halved, ending: 'ECONNRESET' }],
    ['no-done', { ...right, done: false }],
    ['no-finish', { ...halved, ending: 'end' }],
    ['stall', { ...halved, ending: 'silence' }],
    ['empty-choices', { ...right, tokens: 0, finished: 0 }],
    ['flaky-500', { tokens: 0, finished: 0, broken: 0, done: false, ending: 'end' }],
  ])('with %s reads as %j', async (fault, expected) => {
    expect(summary(await ask(fault))).toEqual(expected);
  });

  test('with malformed-json is broken in its first event', async () => {
    const { status, text } = await ask('malformed-json');
    expect([status, isJson(eventsOf(text)[0] ?? '')]).toEqual([200, false]);
  });

  test('with error-event says so with status 200 and then [DONE]', async () => {
    const { status, text } = await ask('error-event');
    const [error, done] = eventsOf(text);
    expect([status, done]).toEqual([200, '[DONE]']);
    expect(JSON.parse(error ?? '')).toEqual({ error: expect.objectContaining({ code: 500 }) });
  });

  test('with no-stream is one right document', async () => {
    const { headers, text } = await ask('no-stream');
    expect(headers['content-type']).toBe('application/json');
    expect(JSON.parse(text).choices[0].finish_reason).toBe('stop');
  });

  test('with slow-trickle is a few bytes in a long time', async () => {
    await using server = await setup({ simModels: true });
    const url = `${server.url}/v1/chat/completions`;
    const body = { ...HELLO, model: 'sim:slow-trickle+token=20', stream: true };
    const { chunks, text } = await post(url, body, { chunksMax: 5 });
    expect(chunks[0]).toHaveLength(1);
    expect('data: {"id":"chatcmpl-demo'.startsWith(text)).toBe(true);
  });

  test('with oversized goes on with valid events', async () => {
    const { text, ending } = await ask('oversized', { chunksMax: 100 });
    expect(ending).toBe('enough');
    expect(text.length).toBeGreaterThan(100 * 1_024);
    const [, event = ''] = eventsOf(text);
    expect(JSON.parse(event).choices[0].delta.content).toHaveLength(64 * 1_024);
  });

  test('with crlf is right for a client, though its bytes are split inside characters', async () => {
    await using server = await setup({ fault: 'crlf' });
    const url = `${server.url}/v1/chat/completions`;
    const { chunks, text } = await post(url, { ...HELLO, stream: true });
    expect(text).toContain('\r\n: ping ✓\r\n\r\n');
    expect(text.replaceAll('\r\n', '')).not.toContain('\n');
    expect(chunks.some((chunk) => (chunk.at(-1) ?? 0) >= 0xc0)).toBe(true);
    const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none' });
    const final = await client.chat.completions
      .stream({ model: 'citadel-demo', messages: [{ role: 'user', content: 'Grüße' }] })
      .finalChatCompletion();
    expect(final.choices[0]?.message.content).toContain('"Grüße"');
  });
});

describe('a document', () => {
  test.each<[FaultName, number | undefined, boolean, string]>([
    ['malformed-json', 200, false, 'end'],
    ['malformed-chunk', 200, false, 'end'],
    ['empty', 200, false, 'end'],
    ['error-event', 200, true, 'end'],
    ['cut-stream', 200, false, 'ECONNRESET'],
    ['no-done', 200, true, 'end'],
    ['no-finish', 200, false, 'end'],
    ['stall', 200, false, 'silence'],
    ['slow-trickle', 200, false, 'silence'],
    ['empty-choices', 200, true, 'end'],
    ['no-stream', 200, true, 'end'],
    ['crlf', 200, true, 'end'],
  ])('with %s has status %s, is JSON: %s, ends: %s', async (fault, ...expected) => {
    for (const path of ['chat/completions', 'completions', 'embeddings']) {
      const { status, text, ending } = await ask(fault, { isStream: false, path });
      expect([status, isJson(text), ending]).toEqual(expected);
    }
  });

  test('with oversized never ends', async () => {
    const { text, ending } = await ask('oversized', { isStream: false, path: 'embeddings', chunksMax: 50 });
    expect([ending, text.length > 100 * 1_024]).toEqual(['enough', true]);
  });

  test('with empty-choices has none', async () => {
    expect(JSON.parse((await ask('empty-choices', { isStream: false })).text).choices).toEqual([]);
    expect(
      JSON.parse((await ask('empty-choices', { isStream: false, path: 'embeddings' })).text).data,
    ).toEqual([]);
  });
});

describe('before any answer', () => {
  test('refuse resets the connection, hang stays silent', async () => {
    expect(await ask('refuse')).toEqual(expect.objectContaining({ status: undefined, ending: 'ECONNRESET' }));
    expect(await ask('hang')).toEqual(expect.objectContaining({ status: undefined, ending: 'silence' }));
  });

  test.each<[FaultName, number, string | number | null, string | undefined]>([
    ['error-500', 500, null, undefined],
    ['error-503', 503, null, undefined],
    ['rate-limit', 429, 'rate_limit_exceeded', undefined],
    ['rate-limit-retry-after', 429, 'rate_limit_exceeded', '2'],
    ['bad-request', 400, 400, undefined],
    ['context-length', 400, 'context_length_exceeded', undefined],
    ['unauthorized', 401, 'invalid_api_key', undefined],
  ])('%s answers %i with code %s and Retry-After %s', async (fault, status, code, retryAfter) => {
    const answer = await ask(fault);
    expect([answer.status, answer.headers['retry-after']]).toEqual([status, retryAfter]);
    expect(JSON.parse(answer.text).error).toEqual(
      expect.objectContaining({ code, message: expect.any(String) }),
    );
  });

  test('html is a page with status 200', async () => {
    const { status, headers, text } = await ask('html');
    expect([status, headers['content-type']]).toEqual([200, 'text/html']);
    expect(text).toMatch(/^<!doctype html>/);
  });

  test('flaky-500 fails each body once', async () => {
    await using server = await setup({ fault: 'flaky-500' });
    const url = `${server.url}/v1/chat/completions`;
    const statuses: (number | undefined)[] = [];
    for (const user of ['a', 'a', 'b', 'b', 'a']) statuses.push((await post(url, { ...HELLO, user })).status);
    expect(statuses).toEqual([500, 200, 500, 200, 200]);
  });

  test('no fault but refuse, hang and the like leaves a call open', async () => {
    const endless = ['hang', 'stall', 'slow-trickle', 'oversized'];
    for (const { name } of FAULT_NAMES.filter(({ name }) => !endless.includes(name))) {
      expect([name, (await ask(name)).ending]).not.toEqual([name, 'silence']);
    }
  });
});
