import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { chat, startTestCitadel, type TestCitadel } from '../support/citadel.ts';
import { errorOf, START_LIMIT_MS } from './setup.ts';

const ROUTE = '/v1/chat/completions';
const BODY_BYTES_MAX = 65_536;
const CANARY = 'canary-5b1f';
const JSON_TYPE = { 'content-type': 'application/json' };

let citadel: TestCitadel;

beforeAll(async () => {
  citadel = await startTestCitadel({ env: { CITADEL_LIMITS_BODY_BYTES: String(BODY_BYTES_MAX) } });
}, START_LIMIT_MS);
afterAll(() => citadel.stop());

interface Sent {
  path?: string;
  method?: string;
  headers?: Record<string, string>;
  body?: RequestInit['body'];
}

/** Sends what is wrong; the answer must have the error shape and an id, and the next right request must work. */
async function refused({ path = ROUTE, method = 'POST', ...init }: Sent) {
  const response = await fetch(citadel.url + path, { method, ...init, duplex: 'half' });
  const { status, headers } = response;
  const text = await response.text();
  expect(headers.get('content-type')).toBe('application/json; charset=utf-8');
  expect(headers.get('x-request-id')).toMatch(/^req_[0-9a-f]{24}$/);
  if (path.startsWith('/v1/')) expect(headers.get('openai-processing-ms')).toMatch(/^\d+$/);
  expect(text).not.toMatch(/node_modules|\.ts:|at \w+ \(|127\.0\.0\.1/);

  const next = await citadel.post(ROUTE, chat('sim-chat'));
  expect(next.status).toBe(200);
  await next.text();
  return { status, headers, body: JSON.parse(text) };
}

/** A right request of `sizeBytes` bytes. */
function bodyOf(sizeBytes: number): string {
  const frame = JSON.stringify(chat('sim-chat', ''));
  return JSON.stringify(chat('sim-chat', 'a'.repeat(sizeBytes - frame.length)));
}

describe('a body that is not a JSON object', () => {
  test.each([
    `{"model":"${CANARY}"`,
    `{"model":"${CANARY}",}`,
    `{'model':'${CANARY}'}`,
    `{"model":"${CANARY}"} x`,
    `${CANARY}`,
    `{"model":"${CANARY}\n"}`,
    `{"model":"${CANARY}","n":01}`,
    '{"a":NaN}',
    '{',
    '[]',
    'null',
    '"text"',
    '5',
    '   ',
    '\u0000',
  ])('is a 400, and is quoted nowhere: %j', async (body) => {
    const { status, body: answer } = await refused({ headers: JSON_TYPE, body });

    expect(status).toBe(400);
    expect(answer).toEqual(errorOf('invalid_request'));
    expect(JSON.stringify(answer)).not.toContain(CANARY);
    expect(citadel.logLines.join('')).not.toContain(CANARY);
  });

  test('says where it is malformed', async () => {
    const { body } = await refused({ headers: JSON_TYPE, body: '{"model":"a", oops}' });

    expect(body).toEqual(errorOf('invalid_request', { message: /position 14/ }));
  });

  test.each([
    ['an empty one', JSON_TYPE, ''],
    ['none at all', {}, undefined],
    ['none, of a type', JSON_TYPE, undefined],
  ])('is a 400 that says what is missing: %s', async (_, headers, body) => {
    const answer = await refused({ headers, body });

    expect(answer.status).toBe(400);
    expect(answer.body).toEqual(errorOf('invalid_request', { message: /no body|not valid JSON/ }));
  });
});

describe('a body that is too large', () => {
  const tooLarge = errorOf('payload_too_large', { message: new RegExp(`${BODY_BYTES_MAX}`) });

  test('to the byte: one that fills the limit is taken', async () => {
    const taken = await citadel.post(ROUTE, bodyOf(BODY_BYTES_MAX));
    expect(taken.status).toBe(200);
    await taken.text();

    const { status, body } = await refused({ headers: JSON_TYPE, body: bodyOf(BODY_BYTES_MAX + 1) });
    expect({ status, body }).toEqual({ status: 413, body: tooLarge });
  });

  test('is counted as it is when inflated', async () => {
    const headers = { ...JSON_TYPE, 'content-encoding': 'gzip' };
    const bomb = gzipSync(bodyOf(30_000_000));
    expect(bomb.length).toBeLessThan(BODY_BYTES_MAX);

    const { status, body } = await refused({ headers, body: bomb });
    expect({ status, body }).toEqual({ status: 413, body: tooLarge });
  });

  test('is noticed where no length was announced', async () => {
    const piece = new TextEncoder().encode('a'.repeat(8_192));
    const chunked = ReadableStream.from(Array(20).fill(piece)) as ReadableStream<Uint8Array>;

    const { status, body } = await refused({ headers: JSON_TYPE, body: chunked });
    expect({ status, body }).toEqual({ status: 413, body: tooLarge });
  });

  test('is not one that is zipped and small', async () => {
    const body = gzipSync(bodyOf(BODY_BYTES_MAX));
    const headers = { ...JSON_TYPE, 'content-encoding': 'gzip' };
    const response = await fetch(citadel.url + ROUTE, { method: 'POST', headers, body });

    expect(response.status).toBe(200);
    await response.text();
  });
});

describe('a body that means harm', () => {
  test.each(['[', '{"a":'])('nested 10 000 deep is a 400: %s', async (open) => {
    const body = `{"model":"sim-chat","messages":${open.repeat(10_000)}`;
    const { status, body: answer } = await refused({ headers: JSON_TYPE, body });

    expect(status).toBe(400);
    expect(answer).toEqual(errorOf('invalid_request', { message: /deeper than 64/ }));
  });

  test.each([
    '{"__proto__":{"polluted":"yes"}}',
    '{"metadata":{"__proto__":{"polluted":"yes"}}}',
    String.raw`{"metadata":{"\u005f_proto__":{"polluted":"yes"}}}`,
    '{"messages":[{"role":"user","content":[{"type":"text","constructor":{"prototype":{"polluted":"yes"}}}]}]}',
  ])('cannot reach a prototype: %s', async (members) => {
    const right = JSON.stringify(chat('sim-chat')).slice(0, -1);
    const { status, body } = await refused({ headers: JSON_TYPE, body: `${right},${members.slice(1)}` });

    expect(status).toBe(400);
    expect(body).toEqual(errorOf('invalid_request', { message: /__proto__|constructor/ }));
    expect(({} as { polluted?: string }).polluted).toBeUndefined();
  });
});

describe('a body of another kind', () => {
  const body = JSON.stringify(chat('sim-chat'));

  test.each([
    ['no content type', {}, new TextEncoder().encode(body)],
    ['text', { 'content-type': 'text/plain' }, body],
    ['a form', { 'content-type': 'application/x-www-form-urlencoded' }, 'model=sim-chat'],
    ['a multipart form', { 'content-type': 'multipart/form-data; boundary=x' }, '--x--'],
    ['a type that is none', { 'content-type': 'json' }, body],
    ['an unknown charset', { 'content-type': 'application/json; charset=klingon' }, body],
    ['an unknown encoding', { ...JSON_TYPE, 'content-encoding': 'klingon' }, body],
  ])('is a 415: %s', async (_, headers, sent) => {
    const answer = await refused({ headers, body: sent });

    expect(answer.status).toBe(415);
    expect(answer.body).toEqual(errorOf('unsupported_media_type'));
  });

  test.each([
    ['is not zipped as it says', body],
    ['ends in the middle of its zip', gzipSync(body).subarray(0, 40)],
  ])('is a 400 where it %s', async (_, sent) => {
    const answer = await refused({ headers: { ...JSON_TYPE, 'content-encoding': 'gzip' }, body: sent });

    expect(answer.status).toBe(400);
    expect(answer.body).toEqual(errorOf('invalid_request'));
  });

  test.each(['application/json; charset=utf-8', 'Application/JSON', 'application/vnd.citadel+json'])(
    'is none of these when it is %s',
    async (type) => {
      const response = await citadel.post(ROUTE, body, { headers: { 'content-type': type } });

      expect(response.status).toBe(200);
      await response.text();
    },
  );
});

describe('a request for what there is not', () => {
  test.each([
    [ROUTE, chat('gpt-9')],
    ['/v1/completions', { model: 'gpt-9', prompt: 'x' }],
    ['/v1/embeddings', { model: 'gpt-9', input: 'x' }],
  ])('is a 404 that names the models there are: %s', async (path, sent) => {
    const { status, body } = await refused({ path, headers: JSON_TYPE, body: JSON.stringify(sent) });

    expect(status).toBe(404);
    expect(body).toEqual(
      errorOf('model_not_found', { param: 'model', message: /`gpt-9`.*sim-chat, sim-embed/ }),
    );
  });

  test.each([
    ['GET', '/'],
    ['GET', '/v1'],
    ['GET', '/v1/nothing'],
    ['POST', '/v1/chat/completion'],
    ['DELETE', '/v1/nothing?x=1'],
    ['PATCH', '/V1/Nothing'],
    ['GET', '/v1/chat/completions/chatcmpl-1'],
    ['GET', '/favicon.ico'],
    ['GET', '/%ff'],
  ])('is a 404: %s %s', async (method, path) => {
    const { status, body } = await refused({ method, path });

    expect(status).toBe(404);
    expect(body).toEqual(errorOf('not_found', { message: new RegExp(`${method} /`) }));
  });

  test.each([
    ['GET', ROUTE, 'POST'],
    ['PUT', '/v1/completions', 'POST'],
    ['DELETE', '/v1/embeddings', 'POST'],
    ['OPTIONS', ROUTE, 'POST'],
    ['POST', '/v1/models', 'GET, HEAD'],
    ['DELETE', '/v1/models/sim-chat', 'GET, HEAD'],
    ['POST', '/health', 'GET, HEAD'],
    ['PATCH', '/api/v1/health/ready', 'GET, HEAD'],
  ])('is a 405 that says what is allowed: %s %s', async (method, path, allowed) => {
    const { status, headers, body } = await refused({ method, path });

    expect(status).toBe(405);
    expect(headers.get('allow')).toBe(allowed);
    expect(body).toEqual(errorOf('method_not_allowed'));
  });

  test.each(['%', '%zz', '%c3%28', 'a%2'])('is a 400 where its path is badly encoded: %s', async (id) => {
    const { status, body } = await refused({ method: 'GET', path: `/v1/models/${id}` });

    expect(status).toBe(400);
    expect(body).toEqual(errorOf('invalid_request', { message: /path/ }));
  });
});
