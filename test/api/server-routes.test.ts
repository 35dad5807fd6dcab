import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startTestCitadel, type TestCitadel } from '../support/citadel.ts';
import { errorOf, START_LIMIT_MS } from './setup.ts';

const ADMIN = { authorization: 'Bearer sk-admin-0123456789' };
const USER = { authorization: 'Bearer sk-user-0123456789' };

let citadel: TestCitadel;

beforeAll(async () => {
  citadel = await startTestCitadel({
    env: { CITADEL_API_KEYS: 'root:admin:sk-admin-0123456789,app:user:sk-user-0123456789' },
  });
}, START_LIMIT_MS);
afterAll(() => citadel.stop());

async function send(method: string, path: string, body?: unknown, headers: object = ADMIN) {
  const response = await fetch(citadel.url + path, {
    method,
    headers: { 'content-type': 'application/json', ...headers },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  return { status: response.status, headers: response.headers, body: JSON.parse(await response.text()) };
}

describe('the routes of servers', () => {
  test.each([
    ['GET', '/v1/servers/nobody'],
    ['PATCH', '/v1/servers/nobody'],
    ['DELETE', '/v1/servers/nobody'],
    ['DELETE', '/orchestration/servers/constructor'],
    ['GET', '/orchestration/servers/nobody/health'],
    ['POST', '/orchestration/failover/nobody'],
    ['POST', '/orchestration/recover/nobody'],
    ['GET', '/v1/servers/%00'],
  ])('%s %s is a 404', async (method, path) => {
    const { status, body } = await send(method, path, method === 'GET' ? undefined : {});

    expect(status).toBe(404);
    expect(body).toEqual(errorOf('not_found'));
  });

  test.each([
    ['PUT', '/v1/servers', 'GET, POST, HEAD'],
    ['POST', '/v1/servers/sim', 'GET, PATCH, DELETE, HEAD'],
    ['GET', '/orchestration/servers/register', 'POST'],
    ['GET', '/orchestration/failover/sim', 'POST'],
    ['POST', '/health/enterprise', 'GET, HEAD'],
  ])('%s %s is a 405 that names what is allowed', async (method, path, allow) => {
    const { status, headers, body } = await send(method, path, method === 'GET' ? undefined : {});

    expect(status).toBe(405);
    expect(body).toEqual(errorOf('method_not_allowed'));
    expect(headers.get('allow')).toBe(allow);
  });
});

const ADMIN_ROUTES: [string, string][] = [
  ['GET', '/v1/servers'],
  ['POST', '/v1/servers'],
  ['GET', '/v1/servers/sim'],
  ['PATCH', '/v1/servers/sim'],
  ['DELETE', '/v1/servers/sim'],
  ['POST', '/orchestration/servers/register'],
  ['GET', '/orchestration/servers/list'],
  ['GET', '/orchestration/servers/sim/health'],
  ['DELETE', '/orchestration/servers/sim'],
  ['POST', '/orchestration/failover/sim'],
  ['POST', '/orchestration/recover/sim'],
  ['GET', '/health/enterprise'],
];

const IN_BOTH_PLACES = ADMIN_ROUTES.flatMap(([method, path]) =>
  path.startsWith('/orchestration')
    ? [
        [method, path],
        [method, `/api/v1${path}`],
      ]
    : [[method, path]],
);

test.each(IN_BOTH_PLACES)('%s %s is not for users, and tells nothing without a key', async (method, path) => {
  const body = method === 'GET' ? undefined : { id: 'x', hostname: '127.0.0.1', port: 1 };
  const refused = await send(String(method), String(path), body, USER);
  const nobody = await send(String(method), String(path), body, {});

  expect(refused).toMatchObject({ status: 403, body: errorOf('forbidden') });
  expect(nobody).toMatchObject({ status: 401, body: errorOf('invalid_api_key') });
  expect((await send('GET', '/orchestration/servers/list')).body.servers).toMatchObject({
    sim: { health_status: expect.not.stringMatching('draining') },
  });
});
