import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { chat, readEvents, startTestCitadel, type TestCitadel } from '../support/citadel.ts';
import { waitFor } from '../support/wait-for.ts';
import { errorOf, START_LIMIT_MS } from './setup.ts';

const ADMIN_KEY = 'sk-admin-0123456789';
const USER_KEY = 'sk-user-0123456789';
const ENDLESS = 'sim:token=50+tokens=1000';
const SLOW = 'sim:first=5000';
const KEYS = '/api/v1/keys';
const CHAT = '/v1/chat/completions';
const EFFECT_LIMIT_MS = 1_000;

let citadel: TestCitadel;
let names = 0;

beforeAll(async () => {
  citadel = await startTestCitadel({
    models: ['sim-chat', ENDLESS, SLOW],
    env: { CITADEL_API_KEYS: `root:admin:${ADMIN_KEY},alice:user:${USER_KEY}` },
  });
}, START_LIMIT_MS);
afterAll(() => citadel.stop());

async function ask(method: string, path: string, body?: unknown, key: string | null = ADMIN_KEY) {
  const response = await fetch(citadel.url + path, {
    method,
    headers: {
      ...(key === null ? {} : { authorization: `Bearer ${key}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    body: body === undefined ? null : JSON.stringify(body),
  });
  return { status: response.status, headers: response.headers, body: JSON.parse(await response.text()) };
}

async function make(settings: object = {}) {
  names += 1;
  const { body } = await ask('POST', KEYS, { name: `key ${names}`, ...settings });
  return body;
}

const callWith = (key: string, body: object = chat('sim-chat')) => ask('POST', CHAT, body, key);

describe('a key that is made', () => {
  test('is shown this once, with what it may do, and lets its owner call', async () => {
    const settings = {
      name: 'Team "A"',
      role: 'user',
      requests_per_minute: 100,
      tokens_per_minute: 100_000,
      max_concurrency: 3,
      models: ['sim-chat'],
      token_budget: { tokens: 1_000_000, per: 'day' },
      weight: 2,
      expires_at: '2099-01-01T00:00:00.000Z',
    };
    const { status, headers, body } = await ask('POST', KEYS, settings);

    expect(status).toBe(201);
    expect(headers.get('cache-control')).toBe('no-store');
    expect(body).toEqual({
      ...settings,
      id: expect.stringMatching(/^key_[0-9a-f]{24}$/),
      object: 'api_key',
      key: expect.stringMatching(/^ck_[\w-]{43}$/),
      prefix: body.key.slice(0, 9),
      created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
      last_used_at: null,
      revoked_at: null,
    });
    expect((await callWith(body.key)).status).toBe(200);
    const { key, last_used_at: unused, ...shown } = body;
    await waitFor(
      async () => (await ask('GET', `${KEYS}/${body.id}`)).body.last_used_at !== null,
      'its use is seen',
    );
    expect((await ask('GET', `${KEYS}/${body.id}`)).body).toEqual({
      ...shown,
      last_used_at: expect.stringMatching(/^\d{4}-/),
    });
  });

  test('is a user’s without limits unless told', async () => {
    expect(await make()).toMatchObject({
      role: 'user',
      requests_per_minute: null,
      tokens_per_minute: null,
      max_concurrency: null,
      models: null,
      token_budget: null,
      weight: 1,
      expires_at: null,
    });
  });

  test('is kept as a hash: neither list, record nor log has it', async () => {
    const { key } = await make();
    await callWith(key);
    const list = JSON.stringify((await ask('GET', `${KEYS}?limit=100`)).body);

    expect(list).toContain(key.slice(0, 9));
    expect(list).not.toContain(key);
    expect(list).not.toContain('digest');
    expect(citadel.logLines.join('')).not.toContain(key.slice(9));
  });

  test.each([
    ['no name', { name: undefined }, 'name'],
    ['an empty name', { name: '  ' }, 'name'],
    ['a name with control characters', { name: 'a\nb' }, 'name'],
    ['an unknown role', { role: 'root' }, 'role'],
    ['a limit of 0', { requests_per_minute: 0 }, 'requests_per_minute'],
    ['half a request', { requests_per_minute: 1.5 }, 'requests_per_minute'],
    ['no model', { models: [] }, 'models'],
    ['a budget of no period', { token_budget: { tokens: 5 } }, 'token_budget.per'],
    ['a weight below 0', { weight: -1 }, 'weight'],
    ['a time that is none', { expires_at: 'tomorrow' }, 'expires_at'],
    ['a time that has passed', { expires_at: '2020-01-01T00:00:00Z' }, 'expires_at'],
    ['a field nobody knows', { rpm: 5 }, 'rpm'],
  ])('is refused with %s', async (_, settings, param) => {
    const { status, body } = await ask('POST', KEYS, { name: 'never made', ...settings });

    expect(status).toBe(400);
    expect(body).toEqual(errorOf('invalid_request', { param }));
  });

  test('has a name of its own, which the configuration has not either', async () => {
    const { name, id } = await make();

    for (const taken of [name, 'root']) {
      const { status, body } = await ask('POST', KEYS, { name: taken });
      expect(status).toBe(409);
      expect(body).toEqual(errorOf('conflict', { param: 'name' }));
    }
    await ask('DELETE', `${KEYS}/${id}`);
    expect((await ask('POST', KEYS, { name })).status).toBe(201);
  });
});

describe('keys', () => {
  test.each([
    ['GET', KEYS],
    ['POST', KEYS],
    ['GET', `${KEYS}/key_1`],
    ['PATCH', `${KEYS}/key_1`],
    ['DELETE', `${KEYS}/key_1`],
  ])("are an admin's affair: %s %s", async (method, path) => {
    const body = method === 'GET' || method === 'DELETE' ? undefined : { name: 'mine', role: 'admin' };

    expect(await ask(method, path, body, USER_KEY)).toMatchObject({
      status: 403,
      body: errorOf('forbidden'),
    });
    expect(await ask(method, path, body, null)).toMatchObject({
      status: 401,
      body: errorOf('invalid_api_key'),
    });
  });

  test('are listed newest first, page by page', async () => {
    const made = [await make(), await make(), await make()].map(({ id }) => id).reverse();

    const first = (await ask('GET', `${KEYS}?limit=2`)).body;
    const second = (await ask('GET', `${KEYS}?limit=1&after=${first.last_id}`)).body;

    expect(first).toMatchObject({ object: 'list', first_id: made[0], last_id: made[1], has_more: true });
    expect([...first.data, ...second.data].map(({ id }: { id: string }) => id)).toEqual(made);
    expect((await ask('GET', `${KEYS}?limit=0`)).status).toBe(400);
    expect((await ask('GET', `${KEYS}?limit=101`)).status).toBe(400);
  });

  test.each(['GET', 'PATCH', 'DELETE'])('that are not there are a 404: %s', async (method) => {
    const { status, body } = await ask(method, `${KEYS}/key_none`, method === 'PATCH' ? {} : undefined);

    expect(status).toBe(404);
    expect(body).toEqual(errorOf('not_found'));
  });

  test('change by what a PATCH names, at once', async () => {
    const { id, key } = await make({ models: ['sim-embed'], requests_per_minute: 5 });
    expect((await callWith(key)).status).toBe(403);

    const { status, body } = await ask('PATCH', `${KEYS}/${id}`, { models: null, role: 'admin' });

    expect(status).toBe(200);
    expect(body).toMatchObject({ id, models: null, role: 'admin', requests_per_minute: 5 });
    expect((await callWith(key)).status).toBe(200);
    expect((await ask('GET', KEYS, undefined, key)).status).toBe(200);
    expect((await ask('PATCH', `${KEYS}/${id}`, { name: 'other' })).status).toBe(400);
  });

  test('that are revoked let nobody in any more, stay in the list, and change no more', async () => {
    const { id, key } = await make();
    expect((await callWith(key)).status).toBe(200);

    const { status, body } = await ask('DELETE', `${KEYS}/${id}`);

    expect(status).toBe(200);
    expect(body).toEqual({ id, object: 'api_key', deleted: true });
    expect(await callWith(key)).toMatchObject({ status: 401, body: errorOf('invalid_api_key') });
    expect((await ask('GET', `${KEYS}/${id}`)).body.revoked_at).toMatch(/^\d{4}-/);
    expect((await ask('PATCH', `${KEYS}/${id}`, { weight: 2 })).status).toBe(409);
    expect((await ask('DELETE', `${KEYS}/${id}`)).status).toBe(200);
  });
});

describe('a key that is revoked while its answer runs', () => {
  test('has the stream cut within a second, with an error and never a clean end, and the server let go', async () => {
    const { id, key } = await make();
    const response = await citadel.post(CHAT, chat(ENDLESS, 'Hi', { stream: true }), {
      headers: { authorization: `Bearer ${key}` },
    });
    const reading = response.text();
    await waitFor(() => citadel.model.openCalls() === 1, 'the server answers');

    const revokedMs = performance.now();
    await ask('DELETE', `${KEYS}/${id}`);
    const events = readEvents(await reading);

    expect(performance.now() - revokedMs).toBeLessThan(EFFECT_LIMIT_MS);
    expect(JSON.parse(events.at(-1) ?? '')).toEqual(errorOf('invalid_api_key', { message: /revoked/ }));
    await waitFor(() => citadel.model.openCalls() === 0, 'the server is let go');
  });

  test('has an answer that is not streamed refused with a 401', async () => {
    const { id, key } = await make();
    const calling = callWith(key, chat(SLOW));
    await waitFor(() => citadel.model.openCalls() === 1, 'the server works');

    await ask('DELETE', `${KEYS}/${id}`);

    expect(await calling).toMatchObject({ status: 401, body: errorOf('invalid_api_key') });
  });
});

describe('with no key at all', () => {
  test(
    'this machine may make the first one, and from then on keys are required',
    async () => {
      const open = await startTestCitadel();
      try {
        const made = await open.post(KEYS, { name: 'first', role: 'admin' });
        const { key } = JSON.parse(await made.text());

        expect(made.status).toBe(201);
        expect((await open.get('/v1/models')).status).toBe(401);
        expect((await open.get('/v1/models', { authorization: `Bearer ${key}` })).status).toBe(200);
        expect((await open.get('/dashboard/queues')).status).toBe(401);
      } finally {
        await open.stop();
      }
    },
    START_LIMIT_MS,
  );
});
