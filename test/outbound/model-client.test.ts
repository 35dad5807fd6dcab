import type { ServerResponse } from 'node:http';
import { describe, expect, test } from '@jest/globals';
import { type ScriptedRequest, sendJson, sendStream, waitFor } from '../support/scripted-server.ts';
import {
  batchesOf,
  bothHaveRead,
  chunk,
  event,
  failureOf,
  iteratorOf,
  setup,
  textsOf,
  toCall,
} from './support.ts';

const DONE = event('[DONE]');
const one = (finish: string | null = 'stop') => event(chunk('hi', finish));

describe('a call', () => {
  test('sends the body as it is, with the server’s own key and a stream accepted', async () => {
    await using it = await opened((res) => sendJson(res, { id: 'c' }));
    await it.call();
    const [{ method, path, headers, body }] = it.server.requests as [ScriptedRequest];
    expect({ method, path, body }).toEqual({
      method: 'POST',
      path: '/v1/chat/completions',
      body: '{"model":"m","stream":true}',
    });
    expect(headers).toMatchObject({
      'content-type': 'application/json',
      accept: 'text/event-stream, application/json',
      'accept-encoding': 'identity',
      authorization: 'Bearer sk-server',
      'user-agent': 'citadel',
    });
  });

  test('sends no key to a server without one', async () => {
    await using it = await opened((res) => sendJson(res, {}));
    const call = toCall(it.server);
    await it.client.call(
      { ...call, server: { ...call.server, apiKey: undefined } },
      new AbortController().signal,
    );
    expect(it.server.requests[0]?.headers).not.toHaveProperty('authorization');
  });

  test('hands a JSON answer on to the letter', async () => {
    const text = '{ "seed": 12345678901234567890, "text": "grüße\\u0021" }\n';
    await using it = await opened((res) => sendJson(res, text));
    expect(await it.call()).toEqual({ kind: 'json', text });
  });

  test('hands events on to the letter, and parsed', async () => {
    const text = '{"seed": 12345678901234567890,"choices":[{"index":0,"finish_reason":"stop"}]}';
    await using it = await opened((res) => sendStream(res, [event(text), DONE]));
    const [batch] = await batchesOf(await it.call());
    expect(batch).toEqual([{ text, value: JSON.parse(text) }]);
  });

  test('keeps characters whole that are cut between reads', async () => {
    const bytes = Buffer.from(event(chunk('日本🦊', 'stop')) + DONE);
    await using it = await opened((res) => {
      sendStream(res, [], { end: false });
      const cut = bytes.indexOf('🦊') + 2;
      res.write(bytes.subarray(0, cut));
      bothHaveRead().then(() => res.end(bytes.subarray(cut)));
    });
    expect(await textsOf(await it.call())).toEqual([chunk('日本🦊', 'stop')]);
  });

  test('reads a stream with CRLF, comments and several events in one piece', async () => {
    const text = `: hi\r\n\r\ndata: ${chunk('a')}\r\n\r\ndata: ${chunk('b', 'stop')}\r\n\r\ndata: [DONE]\r\n\r\n`;
    await using it = await opened((res) => sendStream(res, [text]));
    const batches = await batchesOf(await it.call());
    expect(batches.map((batch) => batch.map(({ text }) => text))).toEqual([[chunk('a'), chunk('b', 'stop')]]);
  });

  test('resolves at the first event, not at the end of the stream', async () => {
    await using it = await opened((res) => sendStream(res, [one(null)], { end: false }));
    const events = iteratorOf(await it.call());
    expect((await events.next()).value).toHaveLength(1);
    expect(it.server.openCalls()).toBe(1);
    await events.return?.();
  });

  test('is over at [DONE] though the body goes on', async () => {
    await using it = await opened((res) =>
      sendStream(res, [one(), DONE, event('{"late":1}')], { end: false }),
    );
    expect(await textsOf(await it.call())).toEqual([chunk('hi', 'stop')]);
    await waitFor(() => it.server.sockets.size === 0);
  });

  test.each([
    ['one choice', [one(null), one('stop')]],
    [
      'each of two choices',
      [event(chunk('a', 'stop', 0)), event(chunk('b', null, 1)), event(chunk('', 'length', 1))],
    ],
    ['a usage event behind it', [one('stop'), event('{"choices":[],"usage":{}}')]],
  ])('takes a stream for whole without [DONE] when there was a finish reason: %s', async (_name, pieces) => {
    await using it = await opened((res) => sendStream(res, pieces));
    expect(await textsOf(await it.call())).toHaveLength(pieces.length);
  });

  test('a slow reader holds its own stream up, and loses nothing', async () => {
    const pieces = Array.from({ length: 4_000 }, (_, i) => event(chunk(`${i} ${'x'.repeat(1_000)}`)));
    await using it = await opened((res) => sendStream(res, [...pieces, one('stop'), DONE]));
    const idleMs = 500;
    const events = iteratorOf(await it.call({ answerBytesMax: 64 * 1024 * 1024, idleMs }));
    const first = (await events.next()).value.length;
    // Nothing is to happen, which no condition tells: it is not the server that is silent, so the idle limit may pass.
    await new Promise((resolve) => setTimeout(resolve, 2 * idleMs));
    const second = (await events.next()).value.length;
    expect(second).toBeLessThan(1_500);
    let rest = 0;
    for (let batch = await events.next(); !batch.done; batch = await events.next())
      rest += batch.value.length;
    expect(first + second + rest).toBe(4_001);
  });
});

// The next call waits for the connection of the last, and so uses it again.
const ONE = { connectionsPerServer: 1 };

describe('connections', () => {
  test('are used again after a stream and after a JSON answer', async () => {
    await using it = await opened((res, { body }) =>
      body.includes('stream') ? sendStream(res, [one(), DONE]) : sendJson(res, {}),
    );
    for (let i = 0; i < 5; i++) {
      await textsOf(await it.call());
      await it.client.call({ ...toCall(it.server), body: '{}' }, new AbortController().signal);
    }
    // A connection is free one turn of the event loop after its answer, so two may take turns.
    expect(new Set(it.server.requests.map(({ socket }) => socket)).size).toBeLessThanOrEqual(2);
  });

  test('are used again after an error status', async () => {
    await using it = await opened((res) => sendJson(res, { error: 'no' }, 500), ONE);
    await failureOf(it.call());
    await failureOf(it.call());
    expect(it.server.requests[1]?.reused).toBe(true);
  });

  test('that the server closed for being idle are replaced without the caller noticing', async () => {
    await using it = await opened(
      (res, { reused, socket }) => (reused ? socket.destroy() : sendJson(res, { id: 'c' })),
      ONE,
    );
    await it.call();
    expect(await it.call()).toEqual({ kind: 'json', text: '{"id":"c"}' });
    expect(it.server.requests.map(({ reused, body }) => ({ reused, body }))).toEqual([
      { reused: false, body: '{"model":"m","stream":true}' },
      { reused: true, body: '{"model":"m","stream":true}' },
      { reused: false, body: '{"model":"m","stream":true}' },
    ]);
  });

  test('that break are replaced once, not for ever', async () => {
    let answer = true;
    await using it = await opened(
      (res, { socket }) => (answer ? sendJson(res, {}) : socket.resetAndDestroy()),
      ONE,
    );
    await it.call();
    answer = false;
    expect(await failureOf(it.call())).toMatchObject({ kind: 'unreachable' });
    expect(it.server.requests).toHaveLength(3);
  });

  test('that break while new are not tried again', async () => {
    await using it = await opened((_res, { socket }) => socket.destroy());
    expect(await failureOf(it.call())).toMatchObject({ kind: 'unreachable' });
    expect(it.server.requests).toHaveLength(1);
  });

  test('to one server are as many as allowed; further calls wait', async () => {
    const open: ServerResponse[] = [];
    const answerInPairs = (res: ServerResponse) => {
      if (open.push(res) === 2) for (const one of open.splice(0)) sendJson(one, {});
    };
    await using it = await opened(answerInPairs, { connectionsPerServer: 2 });
    await Promise.all([it.call(), it.call(), it.call(), it.call()]);
    expect(new Set(it.server.requests.map(({ socket }) => socket)).size).toBe(2);
  });

  test('are all closed by close, which may be called twice; running calls fail', async () => {
    const it = await setup((res) => sendStream(res, [one(null)], { end: false }));
    const running = failureOf(it.call());
    await waitFor(() => it.server.openCalls() === 1);
    await Promise.all([it.client.close(), it.client.close()]);
    expect(await running).toMatchObject({ name: 'BackendFailure' });
    expect(await failureOf(it.call())).toMatchObject({ kind: 'unreachable' });
    await waitFor(() => it.server.sockets.size === 0);
    await it.close();
  });
});

async function opened(...args: Parameters<typeof setup>) {
  const it = await setup(...args);
  return Object.assign(it, { [Symbol.asyncDispose]: it.close });
}
