import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { chat, startTestCitadel, type TestCitadel } from '../support/citadel.ts';
import { rawHead, sendRaw } from './raw-http.ts';
import { errorOf, START_LIMIT_MS } from './setup.ts';

type HeaderFields = Record<string, string>;

let citadel: TestCitadel;

beforeAll(async () => {
  citadel = await startTestCitadel();
}, START_LIMIT_MS);
afterAll(() => citadel.stop());

const CLOSED = [
  '/v1/models',
  '/metrics',
  '/dashboard',
  '/dashboard/queues',
  '/dashboard/queues/api/queues',
  '/nothing',
];
const ELSEWHERE: HeaderFields[] = [
  { host: 'evil.example' },
  { host: 'localhost', origin: 'https://evil.example' },
];
const OPEN = ['/health', '/api/v1/health/live', '/api/v1/health/ready'];

/** Sends a whole chat request with these headers. */
function post(headers: HeaderFields) {
  const body = JSON.stringify(chat('sim-chat'));
  const all = { 'content-type': 'application/json', 'content-length': String(body.length), ...headers };
  return sendRaw(citadel.url, rawHead('POST /v1/chat/completions', all), body);
}

describe('without any key', () => {
  test.each<HeaderFields>([
    { host: 'localhost' },
    { host: 'LOCALHOST:8002' },
    { host: '127.0.0.1:1' },
    { host: '[::1]:8002' },
    { host: 'localhost', origin: 'http://localhost:3000' },
    { host: 'localhost', origin: 'http://127.0.0.1:3000' },
  ])('who calls from this machine needs none: %j', async (headers) => {
    expect((await post(headers)).status).toBe(200);
  });

  test.each<HeaderFields>([
    { host: 'citadel.example' },
    { host: '127.0.0.1.evil.example' },
    { host: 'localhost.evil.example:8002' },
    { host: '192.168.1.5:8002' },
    { host: 'localhost', origin: 'https://evil.example' },
    { host: 'localhost', origin: 'http://localhost.evil.example' },
    { host: 'localhost', origin: 'null' },
    { host: 'localhost', origin: 'https://evil.example', 'content-type': 'text/plain' },
    { host: 'evil.example', origin: 'http://evil.example', authorization: 'Bearer anything' },
  ])('a page from elsewhere is refused, and its request goes nowhere: %j', async (headers) => {
    const { length } = citadel.model.requests;
    const answer = await post(headers);

    expect(answer.status).toBe(403);
    expect(JSON.parse(answer.body)).toEqual(errorOf('forbidden'));
    expect(answer.headers['x-request-id']).toMatch(/^req_/);
    expect(answer.headers).not.toHaveProperty('access-control-allow-origin');
    expect(citadel.model.requests).toHaveLength(length);
  });

  test.each(CLOSED)('%s is closed to a page from elsewhere', async (path) => {
    const answers = await Promise.all(
      ELSEWHERE.map((headers) => sendRaw(citadel.url, rawHead(`GET ${path}`, headers))),
    );

    for (const { status, body } of answers) {
      expect(status).toBe(403);
      expect(JSON.parse(body)).toEqual(errorOf('forbidden'));
    }
  });

  test.each(OPEN)('%s is open to all', async (path) => {
    const { status, headers } = await sendRaw(citadel.url, rawHead(`GET ${path}`, { host: 'evil.example' }));

    expect(status).toBe(200);
    expect(headers['x-request-id']).toMatch(/^req_/);
  });

  test('the dashboards are open to who is at this machine', async () => {
    const response = await citadel.get('/dashboard/queues');

    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toContain('text/html');
    await response.text();
  });

  test('a key that is sent all the same does no harm', async () => {
    const response = await citadel.get('/v1/models', { authorization: 'Bearer sk-anything' });

    expect(response.status).toBe(200);
    await response.text();
  });
});
