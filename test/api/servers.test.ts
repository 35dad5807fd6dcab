import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createDemoServer, type DemoServer } from '../../servers/demo/demo-server.ts';
import { chat, startTestCitadel, type TestCitadel } from '../support/citadel.ts';
import { freePort } from '../support/free-port.ts';
import { errorOf, START_LIMIT_MS } from './setup.ts';

const ADMIN = { authorization: 'Bearer sk-admin-0123456789' };
const USER = { authorization: 'Bearer sk-user-0123456789' };

let citadel: TestCitadel;
let extra: DemoServer;

beforeAll(async () => {
  extra = createDemoServer({ simModels: true, models: [{ id: 'extra-chat' }] });
  await extra.start();
  citadel = await startTestCitadel({
    env: {
      CITADEL_API_KEYS: `root:admin:sk-admin-0123456789,app:user:sk-user-0123456789`,
      GPU_KEY: 'sk-of-the-gpu-server',
    },
  });
}, START_LIMIT_MS);
afterAll(async () => {
  await citadel.stop();
  await extra.stop();
});

async function send(method: string, path: string, body?: unknown, headers: object = ADMIN) {
  const response = await fetch(citadel.url + path, {
    method,
    headers: { 'content-type': 'application/json', ...headers },
    body: body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body),
  });
  return { status: response.status, headers: response.headers, body: JSON.parse(await response.text()) };
}

const extraBody = (fields: object = {}) => ({
  id: 'extra',
  hostname: '127.0.0.1',
  port: extra.port,
  ...fields,
});

const remove = (id: string) => send('DELETE', `/v1/servers/${id}`);

describe('registering', () => {
  test.each([
    '/v1/servers',
    '/api/v1/servers',
    '/orchestration/servers/register',
    '/api/v1/orchestration/servers/register',
  ])('by POST %s is a 201, then a 200, and the models can be called at once', async (path) => {
    const first = await send('POST', path, extraBody());
    const answer = await send('POST', '/v1/chat/completions', chat('extra-chat', 'are you there'), USER);
    const again = await send('POST', path, extraBody({ weight: 2 }));

    expect(first).toMatchObject({ status: 201, body: { status: 'registered', server_id: 'extra' } });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('x-citadel-server')).toBe('extra');
    expect(again).toMatchObject({ status: 200, body: { status: 'registered', server_id: 'extra' } });
    expect((await send('GET', '/v1/servers/extra')).body).toMatchObject({ weight: 2 });
    await remove('extra');
  });

  test('a server that does not answer is registered all the same, and shown unhealthy', async () => {
    const port = await freePort();

    const { status } = await send('POST', '/v1/servers', {
      id: 'away',
      hostname: '127.0.0.1',
      port,
      models: ['m-away'],
    });

    expect(status).toBe(201);
    expect((await send('GET', '/v1/servers/away')).body).toMatchObject({
      health_status: 'unhealthy',
      models: ['m-away'],
      last_seen: null,
    });
    await remove('away');
  });

  test("sends the server's own key, from the variable that is named, and to it alone", async () => {
    await send('POST', '/v1/servers', extraBody({ api_key_env: 'GPU_KEY' }));

    await send('POST', '/v1/chat/completions', chat('extra-chat'), USER);
    await send('POST', '/v1/chat/completions', chat('sim-chat'), USER);
    const { body } = await send('GET', '/v1/servers/extra');

    expect(extra.requests.at(-1)?.headers.authorization).toBe('Bearer sk-of-the-gpu-server');
    expect(citadel.model.requests.map(({ headers }) => headers.authorization)).not.toContain(
      'Bearer sk-of-the-gpu-server',
    );
    expect(body.api_key_env).toBe('GPU_KEY');
    expect(JSON.stringify(body)).not.toContain('sk-of-the-gpu-server');
    await remove('extra');
  });

  test.each([
    ['a port of 0', { port: 0 }, 'port'],
    ['a port of 70000', { port: 70_000 }, 'port'],
    ['a port as text', { port: '80' }, 'port'],
    ['no host name', { hostname: undefined }, 'hostname'],
    ['a URL as host name', { hostname: 'http://127.0.0.1' }, 'hostname'],
    ['an address written as a number', { hostname: '2130706433' }, 'hostname'],
    ['an address in octal', { hostname: '0177.0.0.1' }, 'hostname'],
    ['a zone', { hostname: 'fe80::1%eth0' }, 'hostname'],
    ['a host name of 300 letters', { hostname: 'h'.repeat(300) }, 'hostname'],
    ['a public address', { hostname: '8.8.8.8' }, 'hostname'],
    ['the metadata address', { hostname: '169.254.169.254' }, 'hostname'],
    ['the metadata address within IPv6', { hostname: '::ffff:169.254.169.254' }, 'hostname'],
    ['a link-local address', { hostname: '[fe80::1]' }, 'hostname'],
    ['an id with a slash', { id: 'a/b' }, 'id'],
    ['an id of 65 letters', { id: 'a'.repeat(65) }, 'id'],
    ['a path that leaves the origin', { base_path: '//evil.example/v1' }, 'base_path'],
    ['a path with a line break', { base_path: '/v1\r\nx: y' }, 'base_path'],
    ['an unknown protocol', { protocol: 'grpc' }, 'protocol'],
    ['a weight of 0', { weight: 0 }, 'weight'],
    ['an unknown field', { max_concurency: 3 }, 'max_concurency'],
    ['a key variable that is not set', { api_key_env: 'NOT_SET_KEY' }, 'api_key_env'],
    ["a key variable of Citadel's own", { api_key_env: 'CITADEL_API_KEYS' }, 'api_key_env'],
  ])('%s is a 400 that names the field, and registers nothing', async (_, fields, param) => {
    const { status, body } = await send('POST', '/v1/servers', { ...extraBody({ id: 'wrong' }), ...fields });

    expect(status).toBe(400);
    expect(body).toEqual(errorOf('invalid_request', { param }));
    expect((await send('GET', '/orchestration/servers/list')).body.total_servers).toBe(1);
  });

  test.each([
    ['a list', '[]'],
    ['a text', '"x"'],
    ['null', 'null'],
    ['broken JSON', '{"id":'],
    ['a key that reaches a prototype', '{"__proto__":{"id":"x"}}'],
  ])('a body that is %s is a 400', async (_, body) => {
    const answer = await send('POST', '/v1/servers', body);

    expect(answer).toMatchObject({ status: 400, body: errorOf('invalid_request') });
  });

  test('with a body that is no JSON by its type is a 415', async () => {
    const response = await fetch(`${citadel.url}/v1/servers`, {
      method: 'POST',
      headers: ADMIN,
      body: 'id=1',
    });

    expect(response.status).toBe(415);
  });
});

describe('looking and changing', () => {
  test('a server is shown with what it is and how it does', async () => {
    await send(
      'POST',
      '/v1/servers',
      extraBody({ role: 'gpu', capabilities: ['lightweight', 'vision'], max_concurrency: 4 }),
    );

    const { status, body } = await send('GET', '/v1/servers/extra');

    expect(status).toBe(200);
    expect(body).toEqual({
      object: 'server',
      id: 'extra',
      hostname: '127.0.0.1',
      port: extra.port,
      role: 'gpu',
      capabilities: ['lightweight', 'vision'],
      protocol: 'openai',
      base_path: '/v1',
      weight: 1,
      max_concurrency: 4,
      api_key_env: null,
      health_status: 'healthy',
      last_seen: expect.any(Number),
      consecutive_failures: 0,
      consecutive_successes: 1,
      in_flight: 0,
      models: expect.arrayContaining(['extra-chat']),
    });
    expect(Math.abs(body.last_seen - Date.now() / 1_000)).toBeLessThan(60);
    await remove('extra');
  });

  test('the list is in pages', async () => {
    const port = await freePort();
    for (const id of ['p1', 'p2', 'p3'])
      await send('POST', '/v1/servers', { id, hostname: '127.0.0.1', port });

    const first = (await send('GET', '/v1/servers?limit=2')).body;
    const second = (await send('GET', `/v1/servers?limit=2&after=${first.last_id}`)).body;
    const all = (await send('GET', '/v1/servers')).body;

    expect(first).toMatchObject({ object: 'list', first_id: 'p1', last_id: 'p2', has_more: true });
    expect(second).toMatchObject({ first_id: 'p3', last_id: 'sim', has_more: false });
    expect(all.data.map(({ id }: { id: string }) => id)).toEqual(['p1', 'p2', 'p3', 'sim']);
    for (const id of ['p1', 'p2', 'p3']) await remove(id);
  });

  test.each(['0', '101', '-1', 'x', '1.5', ''])('a limit of %j is a 400', async (limit) => {
    const { status, body } = await send('GET', `/v1/servers?limit=${limit}`);

    expect(status).toBe(400);
    expect(body).toEqual(errorOf('invalid_request', { param: 'limit' }));
  });

  test('PATCH changes the fields that are there, null takes one back, and the server is answered', async () => {
    await send('POST', '/v1/servers', extraBody({ role: 'gpu', max_concurrency: 4 }));

    const { status, body } = await send('PATCH', '/v1/servers/extra', { weight: 3, max_concurrency: null });

    expect(status).toBe(200);
    expect(body).toMatchObject({
      id: 'extra',
      role: 'gpu',
      weight: 3,
      max_concurrency: null,
      models: ['extra-chat'],
    });
    await remove('extra');
  });

  test.each([
    [{ port: -1 }, 'port'],
    [{ hostname: '169.254.169.254' }, 'hostname'],
    [{ id: 'other' }, 'id'],
    [{ colour: 'red' }, 'colour'],
    [{ hostname: null }, 'hostname'],
  ])('PATCH %j is a 400 and changes nothing', async (fields, param) => {
    await send('POST', '/v1/servers', extraBody());
    const before = await send('GET', '/v1/servers/extra');

    const { status, body } = await send('PATCH', '/v1/servers/extra', fields);

    expect(status).toBe(400);
    expect(body).toEqual(errorOf('invalid_request', { param }));
    // Its checks go on meanwhile.
    const checks = { consecutive_successes: expect.any(Number), last_seen: expect.any(Number) };
    expect((await send('GET', '/v1/servers/extra')).body).toEqual({ ...before.body, ...checks });
    await remove('extra');
  });

  test('a server of the configuration is changed, taken out and brought back like any other', async () => {
    const { hostname, port } = (await send('GET', '/v1/servers/sim')).body;

    const patched = await send('PATCH', '/v1/servers/sim', { max_concurrency: 7 });
    const removed = await send('DELETE', '/orchestration/servers/sim');
    const gone = await send('GET', '/v1/servers/sim');
    const refused = await send('POST', '/v1/chat/completions', chat('sim-chat'), USER);
    const back = await send('POST', '/v1/servers', { id: 'sim', hostname, port });
    const answer = await send('POST', '/v1/chat/completions', chat('sim-chat'), USER);

    expect(patched).toMatchObject({ status: 200, body: { max_concurrency: 7, hostname, port } });
    expect(removed).toMatchObject({ status: 200, body: { id: 'sim', deleted: true } });
    expect(gone.status).toBe(404);
    expect(refused.status).toBe(404);
    expect(back.status).toBe(201);
    expect(answer.status).toBe(200);
  });
});
