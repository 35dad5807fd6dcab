import { type AddressInfo, createServer, type Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from '@jest/globals';
import { createModelClient } from '../../outbound/model-client.ts';
import { expectWithin, inTime } from '../support/in-time.ts';
import { LOCAL_GUARD } from '../support/local-guard.ts';
import { sendJson, sendStream, startScriptedServer, waitFor } from '../support/scripted-server.ts';
import { batchesOf, chunk, event, failureOf, iteratorOf, setup, timers, toCall } from './support.ts';

type Chat = Parameters<typeof setup>[0];
type Limits = Parameters<Awaited<ReturnType<typeof setup>>['call']>[0];

const good = event(chunk('hi'));

/** What one call of `chat` fails with; after it, neither a socket of the call nor a timer may be left. */
async function fail(chat: Chat, limits: Limits = {}) {
  const before = timers();
  const it = await setup(chat);
  const failure = await failureOf(it.call(limits));
  await waitFor(() => it.server.openCalls() === 0);
  await it.close();
  await waitFor(() => timers() <= before);
  expect(failure.name).toBe('BackendFailure');
  expect(failure.message).not.toMatch(/127\.0\.0\.1|secret/);
  return failure;
}

const respond =
  (status: number, headers: Record<string, string>, body: string | Buffer): Chat =>
  (res) =>
    void res.writeHead(status, headers).end(body);

describe('a server that cannot be reached', () => {
  test.each([
    ['refuses', 'http://127.0.0.1:1'],
    ['has no address', 'http://no-such-host.invalid:8000'],
  ])('is `unreachable`: it %s', async (_name, origin) => {
    const client = createModelClient({ guard: LOCAL_GUARD });
    expect(await failureOf(client.call(toCall({ origin }), never()))).toMatchObject({
      kind: 'unreachable',
      message: 'The model server could not be reached.',
    });
    await client.close();
  });

  test('is `unreachable` soon after the connect limit', () =>
    inTime(async () => {
      // Takes connections, but never answers the TLS handshake.
      const { origin, close } = await startRawServer(() => {});
      const client = createModelClient({ guard: LOCAL_GUARD });
      const startedAt = performance.now();
      const call = client.call(
        toCall({ origin: origin.replace('http', 'https') }, { connectMs: 200 }),
        never(),
      );
      const failure = await failureOf(call);
      const took = performance.now() - startedAt;
      await client.close();
      await close();
      expect(failure).toMatchObject({ kind: 'unreachable' });
      expect(took).toBeGreaterThan(190);
      // Left to undici, it would be the next half second but one.
      expectWithin(700, took);
    }));

  test('is `unreachable` when its key cannot be a header, and the key is not told', async () => {
    const it = await setup((res) => sendJson(res, {}));
    const call = toCall(it.server);
    const withKey = { ...call, server: { ...call.server, apiKey: 'secret\nkey' } };
    const failure = await failureOf(it.client.call(withKey, never()));
    await it.close();
    expect(failure).toMatchObject({ kind: 'unreachable' });
    expect(`${failure.message} ${failure.cause}`).not.toContain('secret');
  });
});

describe('a silent server is a `timeout`', () => {
  test.each<[string, Chat, Limits]>([
    ['before the headers', () => {}, { firstTokenMs: 80 }],
    ['after the headers of a stream', (res) => sendStream(res, [], { end: false }), { firstTokenMs: 80 }],
    [
      'after the headers of a document',
      (res) => void res.writeHead(200, { 'content-type': 'application/json' }).flushHeaders(),
      { firstTokenMs: 80 },
    ],
    ['that sends only comments', (res) => trickle(res, ': ping\n\n'), { firstTokenMs: 80 }],
    [
      'that trickles its first event',
      (res) => trickle(res, `data: ${'{'.repeat(500)}`),
      { firstTokenMs: 80 },
    ],
    ['after an event', (res) => sendStream(res, [good], { end: false }), { idleMs: 80 }],
    [
      'that trickles its second event',
      (res) => trickle(res, `data: ${' '.repeat(500)}`, good),
      { idleMs: 80 },
    ],
    [
      'in the midst of a document',
      (res) => void res.writeHead(200, { 'content-type': 'application/json' }).write('{"a":'),
      { idleMs: 80 },
    ],
    [
      'that trickles a document',
      (res) => trickle(res, ' '.repeat(500), '{', 'application/json'),
      { idleMs: 80 },
    ],
  ])('%s', (_name, chat, limits) =>
    inTime(async () => {
      const startedAt = performance.now();
      expect(await fail(chat, limits)).toMatchObject({ kind: 'timeout' });
      expectWithin(1_500, performance.now() - startedAt);
    }),
  );

  test('but not one that sends an event in time, again and again', async () => {
    const it = await setup((res) => {
      sendStream(res, [], { end: false });
      let left = 12;
      const timer = setInterval(() => {
        left -= 1;
        res.write(left > 0 ? good : event('[DONE]'));
        if (left === 0) clearInterval(timer);
      }, 120);
    });
    expect((await batchesOf(await it.call({ firstTokenMs: 1_200, idleMs: 1_200 }))).flat()).toHaveLength(11);
    await it.close();
  });

  test('also while it waits for a free connection', async () => {
    const it = await setup((res) => sendStream(res, [good], { end: false }), { connectionsPerServer: 1 });
    const events = iteratorOf(await it.call());
    expect(await failureOf(it.call({ firstTokenMs: 80 }))).toMatchObject({ kind: 'timeout' });
    await events.return?.();
    await it.close();
  });
});

describe('a status other than 200', () => {
  test('is a `status` with what the body reports and when to come back', async () => {
    const body = JSON.stringify({
      error: { message: 'slow down', type: 'rate_limit_error', param: null, code: 429 },
    });
    const headers = { 'content-type': 'application/json', 'retry-after': '7' };
    expect(await fail(respond(429, headers, body))).toMatchObject({
      kind: 'status',
      message: 'The model server answered 429.',
      status: 429,
      retryAfterSeconds: 7,
      reported: { message: 'slow down', type: 'rate_limit_error', param: null, code: '429' },
    });
  });

  test.each<[string, Chat]>([
    ['a page', respond(500, { 'content-type': 'text/html' }, '<h1>secret</h1>')],
    ['nothing', respond(500, {}, '')],
    ['no end', (res) => void res.writeHead(500).write('secret')],
    ['a broken body', (res, { socket }) => void res.writeHead(500).write('secret', () => socket.destroy())],
    ['a body without bounds', (res) => flood(res.writeHead(500, { 'content-type': 'application/json' }))],
  ])('is a `status` also with %s', async (_name, chat) => {
    const failure = await fail(chat);
    expect(failure).toMatchObject({ kind: 'status', status: 500, reported: undefined });
  });

  test.each([301, 302, 307, 308])('%d is not followed, and the key goes nowhere else', async (status) => {
    const other = await startScriptedServer({});
    const failure = await fail(respond(status, { location: `${other.origin}/v1/chat/completions` }, ''));
    await other.close();
    expect(failure).toMatchObject({ kind: 'status', status });
    expect(other.requests).toEqual([]);
  });
});

describe('an answer that breaks the protocol is `malformed`', () => {
  const json = { 'content-type': 'application/json' };
  const sse = { 'content-type': 'text/event-stream' };

  test.each<[string, Chat]>([
    ['a page', respond(200, { 'content-type': 'text/html' }, '<html></html>')],
    ['no content type', respond(200, {}, '{}')],
    ['broken JSON', respond(200, json, '{"a":')],
    ['an empty document', respond(200, json, '')],
    ['a list', respond(200, json, '[1]')],
    ['a text', respond(200, json, '"hi"')],
    ['a compressed document', respond(200, { ...json, 'content-encoding': 'gzip' }, gzipSync('{}'))],
    ['a compressed stream', respond(200, { ...sse, 'content-encoding': 'gzip' }, gzipSync(good))],
    ['an empty stream', respond(200, sse, '')],
    ['a stream of comments', respond(200, sse, ': ping\n\n: ping\n\n')],
    ['a stream of [DONE] alone', respond(200, sse, event('[DONE]'))],
    ['a first event that is not JSON', respond(200, sse, event('{"a":'))],
    ['a first event that is no object', respond(200, sse, event('7'))],
  ])('%s', async (_name, chat) => {
    expect(await fail(chat)).toMatchObject({ kind: 'malformed' });
  });

  test('a later event that is not JSON, after the good ones were handed out', async () => {
    const it = await setup((res) => sendStream(res, [good + event('{"a":')], { end: false }));
    const events = iteratorOf(await it.call());
    expect((await events.next()).value).toHaveLength(1);
    await expect(events.next()).rejects.toMatchObject({ kind: 'malformed' });
    expect(await events.next()).toEqual({ done: true, value: undefined });
    await waitFor(() => it.server.sockets.size === 0);
    await it.close();
  });

  test.each([
    ['first', []],
    ['later', [good]],
  ])('an error event that comes %s, with what it reports', async (_name, before) => {
    const error = { message: 'too long', type: 'BadRequestError', param: null, code: 400 };
    const failure = await fail((res) =>
      sendStream(res, [...before, event(JSON.stringify({ error })), event('[DONE]')]),
    );
    expect(failure).toMatchObject({ kind: 'malformed', status: 400, reported: { ...error, code: '400' } });
  });

  test('but a chunk whose error is null is a good one', async () => {
    const text = '{"error":null,"choices":[{"index":0,"finish_reason":"stop"}]}';
    const it = await setup((res) => sendStream(res, [event(text)]));
    expect(await batchesOf(await it.call())).toMatchObject([[{ text }]]);
    await it.close();
  });
});

describe('a raw server', () => {
  const head = 'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n';
  test.each([
    ['that ends within a chunk', `${head}transfer-encoding: chunked\r\n\r\n5\r\ndata`, 'cut'],
    ['that breaks the chunked encoding', `${head}transfer-encoding: chunked\r\n\r\nzz\r\n`, 'malformed'],
    ['that sends headers without end', `${head}x-long: ${'x'.repeat(200_000)}`, 'malformed'],
    ['that sends less than it said', `${head}content-length: 500\r\n\r\n${good}`, 'cut'],
    ['that ends before the headers do', head, 'cut'],
    ['that speaks another protocol', '220 mail.example ESMTP\r\n', 'malformed'],
  ])('%s', async (_name, bytes, kind) => {
    const { origin, close } = await startRawServer((socket) => socket.end(bytes));
    const client = createModelClient({ guard: LOCAL_GUARD });
    const failure = await failureOf(client.call(toCall({ origin }), never()));
    await client.close();
    await close();
    expect(failure).toMatchObject({ kind });
  });

  test('that needs no [DONE] and no length may end with its connection', async () => {
    const { origin, close } = await startRawServer((socket) =>
      socket.end(`${head}\r\n${event(chunk('a', 'stop'))}`),
    );
    const client = createModelClient({ guard: LOCAL_GUARD });
    expect(await batchesOf(await client.call(toCall({ origin }), never()))).toHaveLength(1);
    await client.close();
    await close();
  });
});

describe('an answer that ends too early is `cut`', () => {
  test.each<[string, Chat]>([
    ['a stream without [DONE] or finish reason', (res) => sendStream(res, [good])],
    [
      'a stream with one of two choices finished',
      (res) => sendStream(res, [event(chunk('a', null, 0)), event(chunk('b', 'stop', 1))]),
    ],
    ['a stream that ends within an event', (res) => sendStream(res, [good, 'data: {"choi'])],
    [
      'a socket closed within a stream',
      (res, { socket }) => {
        sendStream(res, [], { end: false });
        res.write(good, () => socket.destroy());
      },
    ],
    [
      'a socket reset within a stream',
      (res, { socket }) => {
        sendStream(res, [], { end: false });
        res.write(good, () => socket.resetAndDestroy());
      },
    ],
    [
      'a socket closed after the headers',
      (res, { socket }) => {
        sendStream(res, [], { end: false });
        res.write(': hi\n\n', () => socket.destroy());
      },
    ],
    [
      'a socket closed within a document',
      (res, { socket }) =>
        void res
          .writeHead(200, { 'content-type': 'application/json', 'content-length': '100' })
          .write('{', () => socket.destroy()),
    ],
  ])('%s', async (_name, chat) => {
    expect(await fail(chat)).toMatchObject({ kind: 'cut' });
  });
});

describe('an answer over the limit is `too_large`', () => {
  test.each<[string, Chat]>([
    [
      'a document that says so',
      respond(200, { 'content-type': 'application/json' }, JSON.stringify('x'.repeat(200_000))),
    ],
    ['a document without end', (res) => flood(res.writeHead(200, { 'content-type': 'application/json' }))],
    [
      'a stream of one event without end',
      (res) => flood(res.writeHead(200, { 'content-type': 'text/event-stream' }), 'data: '),
    ],
    [
      'a stream of events without end',
      (res) => flood(res.writeHead(200, { 'content-type': 'text/event-stream' }), '', good.repeat(500)),
    ],
  ])('%s', async (_name, chat) => {
    expect(await fail(chat, { answerBytesMax: 100_000 })).toMatchObject({ kind: 'too_large' });
  });

  test('and costs no more memory than the limit', async () => {
    const it = await setup((res) => flood(res.writeHead(200, { 'content-type': 'application/json' })));
    const flooded = () => failureOf(it.call({ answerBytesMax: 4 * 1024 * 1024 }));
    // The first one takes what Node keeps for the next: its heap's growth and the buffers of sockets.
    await flooded();
    const before = process.memoryUsage().rss;
    for (let i = 0; i < 5; i++) await flooded();
    const grown = process.memoryUsage().rss - before;
    await it.close();
    expect(grown).toBeLessThan(80 * 1024 * 1024);
  });
});

type Response = Parameters<Chat>[0];

/** Sends `text` a character every 10 ms, over and over, after `first`. */
function trickle(res: Response, text: string, first = '', type = 'text/event-stream'): void {
  res.writeHead(200, { 'content-type': type }).write(first || ':');
  let at = 0;
  const timer = setInterval(() => res.write(text[at++ % text.length]), 10);
  res.once('close', () => clearInterval(timer));
}

/** Sends `piece` for ever, as fast as it is read. */
function flood(res: Response, first = '', piece = 'x'.repeat(64 * 1024)): void {
  if (first) res.write(first);
  const pour = () => {
    while (!res.destroyed && res.write(piece));
  };
  res.on('drain', pour);
  pour();
}

async function startRawServer(onRequest: (socket: Socket) => void) {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).once('data', () => onRequest(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close() {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}

const never = () => new AbortController().signal;
