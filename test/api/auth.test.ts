import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { chat, startTestCitadel, type TestCitadel } from '../support/citadel.ts';
import { rawHead, sendRaw } from './raw-http.ts';
import { errorOf, START_LIMIT_MS } from './setup.ts';

const USER_KEY = 'sk-user-5b1f-0123456789';
const ADMIN_KEY = 'sk-admin-77aa:with:colons';
const ROUTE = '/v1/chat/completions';

let citadel: TestCitadel;

beforeAll(async () => {
  citadel = await startTestCitadel({
    env: { CITADEL_API_KEYS: `alice:user:${USER_KEY},root:admin:${ADMIN_KEY}` },
  });
}, START_LIMIT_MS);
afterAll(() => citadel.stop());

const basic = (name: string, password: string) =>
  `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`;

async function read(response: Response) {
  return { status: response.status, headers: response.headers, text: await response.text() };
}

const WRONG_KEYS: [string, Record<string, string>][] = [
  ['no key', {}],
  ['an empty header', { authorization: '' }],
  ['an empty key', { authorization: 'Bearer ' }],
  ['a wrong key', { authorization: 'Bearer sk-wrong' }],
  ['a key that begins rightly', { authorization: `Bearer ${USER_KEY.slice(0, -1)}` }],
  ['a key that goes on', { authorization: `Bearer ${USER_KEY}x` }],
  ['a key in capitals', { authorization: `Bearer ${USER_KEY.toUpperCase()}` }],
  ['a key without Bearer', { authorization: USER_KEY }],
  ['a key as a password', { authorization: basic('alice', USER_KEY) }],
  ["a key's name", { authorization: 'Bearer alice' }],
];

describe('with keys', () => {
  test.each(WRONG_KEYS)('%s is a 401 in the error shape, and calls no server', async (_, headers) => {
    const { length } = citadel.model.requests;
    const {
      status,
      headers: got,
      text,
    } = await read(await citadel.post(ROUTE, chat('sim-chat'), { headers }));

    expect(status).toBe(401);
    expect(JSON.parse(text)).toEqual(errorOf('invalid_api_key'));
    expect(text).not.toMatch(/sk-/);
    expect(got.get('x-request-id')).toMatch(/^req_/);
    expect(got.get('openai-processing-ms')).toMatch(/^\d+$/);
    expect(citadel.model.requests).toHaveLength(length);
  });

  test.each([
    ['GET', '/v1/models'],
    ['GET', '/v1/models/sim-chat'],
    ['POST', '/v1/completions'],
    ['POST', '/v1/embeddings'],
    ['GET', '/v1/nothing'],
    ['DELETE', '/v1/models'],
    ['GET', '/'],
  ])('nothing is told to who has none: %s %s', async (method, path) => {
    const { status, text } = await read(await fetch(citadel.url + path, { method }));

    expect(status).toBe(401);
    expect(JSON.parse(text)).toEqual(errorOf('invalid_api_key'));
  });

  test.each([
    ['a user', `Bearer ${USER_KEY}`],
    ['an admin', `Bearer ${ADMIN_KEY}`],
    ['a user who writes bearer small', `bearer ${USER_KEY}`],
  ])('%s is let in', async (_, authorization) => {
    const { status } = await read(
      await citadel.post(ROUTE, chat('sim-chat'), { headers: { authorization } }),
    );

    expect(status).toBe(200);
  });

  test('who has one may call from anywhere, by any name', async () => {
    const headers = {
      host: 'citadel.example',
      origin: 'https://app.example',
      authorization: `Bearer ${USER_KEY}`,
    };

    expect((await sendRaw(citadel.url, rawHead('GET /v1/models', headers))).status).toBe(200);
  });

  test.each(['/health', '/api/v1/health/live', '/api/v1/health/ready'])('%s is open', async (path) => {
    const { status, headers, text } = await read(await citadel.get(path));

    expect(status).toBe(200);
    expect(JSON.parse(text)).toHaveProperty('status');
    expect(headers.get('x-request-id')).toMatch(/^req_/);
  });

  test('a body is read only of who is let in', async () => {
    const head = { host: 'localhost', 'content-type': 'application/json', 'content-length': '1000000' };
    const { status, body } = await sendRaw(citadel.url, rawHead(`POST ${ROUTE}`, head));

    expect(status).toBe(401);
    expect(JSON.parse(body)).toEqual(errorOf('invalid_api_key'));
  });
});

describe('the dashboards', () => {
  const BOARD = '/dashboard/queues';

  test.each(WRONG_KEYS.filter(([name]) => name !== 'a key as a password'))(
    'ask for an admin key where there is %s',
    async (_, headers) => {
      const { status, headers: got, text } = await read(await citadel.get(BOARD, headers));

      expect(status).toBe(401);
      expect(got.get('www-authenticate')).toMatch(/^Basic realm=/);
      expect(JSON.parse(text)).toEqual(errorOf('invalid_api_key'));
    },
  );

  test.each([
    ['as a bearer', `Bearer ${USER_KEY}`],
    ['as a password', basic('alice', USER_KEY)],
  ])("refuse a user's key %s", async (_, authorization) => {
    const { status, text } = await read(await citadel.get(BOARD, { authorization }));

    expect(status).toBe(403);
    expect(JSON.parse(text)).toEqual(errorOf('forbidden'));
  });

  test.each([
    ['as a bearer', `Bearer ${ADMIN_KEY}`],
    ['as a password, whatever the name', basic('anyone', ADMIN_KEY)],
    ['as a password without a name', basic('', ADMIN_KEY)],
  ])("take an admin's key %s", async (_, authorization) => {
    const { status, headers } = await read(await citadel.get(BOARD, { authorization }));

    expect(status).toBe(200);
    expect(headers.get('content-type')).toContain('text/html');
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('content-security-policy')).toContain("frame-ancestors 'none'");
  });

  test('lead a person who opens the queues without a key to the form of the operator page', async () => {
    const headers = { 'sec-fetch-mode': 'navigate' };
    const { status, headers: got } = await sendRaw(
      citadel.url,
      rawHead(`GET ${BOARD}`, { host: 'localhost', ...headers }),
    );

    expect(status).toBe(302);
    expect(got.location).toBe('/dashboard');
  });

  test.each(['cross-site', 'same-site', 'none', undefined])(
    "change nothing for a page that is not theirs, though the browser sends the admin's password: %s",
    async (site) => {
      const headers: Record<string, string> = { authorization: basic('root', ADMIN_KEY) };
      if (site !== undefined) headers['sec-fetch-site'] = site;
      const { status, body } = await sendRaw(
        citadel.url,
        rawHead(`PUT ${BOARD}/api/queues/pause`, { host: 'localhost', 'content-length': '0', ...headers }),
      );

      expect(status).toBe(403);
      expect(JSON.parse(body)).toEqual(errorOf('forbidden'));
    },
  );
});

test('no key is ever logged', () => {
  const log = citadel.logLines.join('');

  expect(citadel.logLines.length).toBeGreaterThan(20);
  for (const secret of [USER_KEY, ADMIN_KEY, basic('root', ADMIN_KEY)]) expect(log).not.toContain(secret);
});
