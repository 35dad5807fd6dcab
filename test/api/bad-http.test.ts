import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { chat, startTestCitadel, type TestCitadel } from '../support/citadel.ts';
import { waitFor } from '../support/wait-for.ts';
import { cutAfter, type RawAnswer, rawHead, sendOnSign, sendRaw } from './raw-http.ts';
import { errorOf, START_LIMIT_MS } from './setup.ts';

const ROUTE = '/v1/chat/completions';
// 10 s of tokens.
const SLOW = 'sim:token=50+tokens=200';
const NONSENSE = 'nonsense\r\n\r\n';
const HOST = { host: 'localhost' };
const JSON_TYPE = { ...HOST, 'content-type': 'application/json' };

let citadel: TestCitadel;

beforeAll(async () => {
  citadel = await startTestCitadel({ models: ['sim-chat', SLOW] });
}, START_LIMIT_MS);
afterAll(() => citadel.stop());
afterEach(async () => {
  const next = await citadel.post(ROUTE, chat('sim-chat'));
  expect(next.status).toBe(200);
  await next.text();
});

function expectError(answer: RawAnswer, status: number, body: object): void {
  expect(answer.status).toBe(status);
  expect(answer.headers).toMatchObject({
    'content-type': expect.stringMatching(/^application\/json/),
    'x-request-id': expect.stringMatching(/^req_[0-9a-f]{24}$/),
  });
  expect(JSON.parse(answer.body)).toEqual(body);
}

describe('what is not HTTP', () => {
  test.each([
    ['words', 'hello there\r\n\r\n'],
    ['a TLS handshake', Buffer.from('16030100a5010000a10303', 'hex')],
    ['an unknown version', 'GET /health HTTP/9.9\r\nhost: localhost\r\n\r\n'],
    ['an unknown method', 'BREW /health HTTP/1.1\r\nhost: localhost\r\n\r\n'],
    ['a header without a colon', 'GET /health HTTP/1.1\r\nhost: localhost\r\nwhat is this\r\n\r\n'],
    ['a control character in a header', 'GET /health HTTP/1.1\r\nhost: localhost\r\nx: a\u0000b\r\n\r\n'],
    ['a blank in the path', 'GET /a b HTTP/1.1\r\nhost: localhost\r\n\r\n'],
    ['a length that is none', rawHead(`POST ${ROUTE}`, { ...JSON_TYPE, 'content-length': 'ten' })],
    [
      'two lengths',
      `POST ${ROUTE} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello`,
    ],
    [
      'a length and chunks',
      rawHead(`POST ${ROUTE}`, { ...JSON_TYPE, 'content-length': '5', 'transfer-encoding': 'chunked' }),
    ],
    [
      'a chunk without a size',
      `${rawHead(`POST ${ROUTE}`, { ...JSON_TYPE, 'transfer-encoding': 'chunked' })}what\r\n`,
    ],
  ])('is a 400 in the error shape: %s', async (_, bytes) => {
    const answer = await sendRaw(citadel.url, bytes);

    expectError(answer, 400, errorOf('invalid_request'));
  });

  test('is a 431 in the error shape where the headers are too long', async () => {
    const answer = await sendRaw(
      citadel.url,
      rawHead('GET /health', { ...HOST, 'x-long': 'a'.repeat(100_000) }),
    );

    expectError(answer, 431, errorOf('invalid_request', { message: /headers/ }));
  });

  test('is noticed behind a right request on the same connection too', async () => {
    const answer = await sendRaw(
      citadel.url,
      `GET /health HTTP/1.1\r\nhost: localhost\r\n\r\nnonsense\r\n\r\n`,
    );

    expect(answer.status).toBe(200);
    expect(answer.body).toContain('HTTP/1.1 400 Bad Request');
    expect(answer.body).toContain('"code":"invalid_request"');
  });
});

describe('what is not HTTP, behind a request that is not answered yet', () => {
  const request = (body: object) => {
    const text = JSON.stringify(body);
    const length = String(Buffer.byteLength(text));
    return (
      rawHead(`POST ${ROUTE}`, { ...JSON_TYPE, connection: 'keep-alive', 'content-length': length }) + text
    );
  };

  test('closes the connection, and never lands in the middle of an answer', async () => {
    const text = await sendOnSign(
      citadel.url,
      request(chat(SLOW, 'Hello', { stream: true })),
      'data: ',
      NONSENSE,
    );

    expect(text).toMatch(/^HTTP\/1\.1 200 OK/);
    expect(text.match(/HTTP\/1\.1/g)).toHaveLength(1);
    expect(text).not.toContain('[DONE]');
    await waitFor(() => citadel.model.openCalls() === 0, 'the server is left alone');
  });

  test('closes the connection, and is not answered as if it were that request', async () => {
    expect(await sendRaw(citadel.url, request(chat('sim-chat')), NONSENSE)).toMatchObject({
      body: '',
      headers: {},
    });
  });

  test('closes the connection, and is not answered before the requests in front of it', async () => {
    const behind = request(chat(SLOW, 'Hello', { stream: true })) + rawHead('GET /health', HOST);

    expect(await sendRaw(citadel.url, behind, NONSENSE)).toMatchObject({ body: '', headers: {} });
  });
});

describe('HTTP that Node would answer without a body', () => {
  test('is a 403 in the error shape without a Host, where only this machine is let in', async () => {
    expectError(await sendRaw(citadel.url, rawHead('GET /v1/models')), 403, errorOf('forbidden'));
  });

  test('is answered where it expects what we do not know', async () => {
    const answer = await sendRaw(citadel.url, rawHead('GET /v1/nothing', { ...HOST, expect: 'a-miracle' }));

    expectError(answer, 404, errorOf('not_found'));
  });
});

test('a client that waits for "100 Continue" gets it, and its answer', async () => {
  const body = JSON.stringify(chat('sim-chat'));
  const head = rawHead(`POST ${ROUTE}`, {
    ...JSON_TYPE,
    expect: '100-continue',
    'content-length': String(Buffer.byteLength(body)),
  });
  const answer = await sendRaw(citadel.url, head, body);

  expect(answer.status).toBe(100);
  expect(answer.body).toMatch(/^HTTP\/1\.1 200 OK/);
});

test('HTTP/1.0 is answered', async () => {
  const answer = await sendRaw(citadel.url, 'GET /health HTTP/1.0\r\n\r\n');

  expect(answer.status).toBe(200);
});

test('a body that breaks off is logged as the client having left, and costs nothing else', async () => {
  const { length } = citadel.model.requests;
  const head = rawHead(`POST ${ROUTE}`, { ...JSON_TYPE, 'content-length': '1000' });
  await cutAfter(citadel.url, `${head}{"model":"sim`);

  await waitFor(() => citadel.logLines.some((line) => line.includes('"status":499')), 'the log line');
  expect(citadel.model.requests).toHaveLength(length);
});

test.each([
  ['a header of every byte that there may be', { ...HOST, 'x-odd': '\u00ff\u0080\t "\'<>' }],
  ['an authorization of another kind', { ...HOST, authorization: 'Digest username="x"' }],
  ['an empty authorization', { ...HOST, authorization: '' }],
  ['an id of the client that is very long', { ...HOST, 'x-client-request-id': 'i'.repeat(5_000) }],
])('%s does no harm', async (_, headers) => {
  const answer = await sendRaw(citadel.url, rawHead('GET /v1/models', headers));

  expect(answer.status).toBe(200);
});
