import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { chat, readEvents, startTestCitadel, type TestCitadel } from '../support/citadel.ts';
import { errorOf, START_LIMIT_MS } from './setup.ts';

let citadel: TestCitadel;

beforeAll(async () => {
  citadel = await startTestCitadel({
    models: ['phi3', 'ünïcode'],
    env: {
      CITADEL_ALIASES: JSON.stringify({
        fast: ['phi3', 'openchat'],
        quick: ['fast'],
        openchat: ['phi3'],
        'words é': ['ünïcode'],
        nowhere: ['not-there'],
        one: ['two'],
        two: ['one'],
      }),
    },
  });
  const { port } = citadel.model;
  await citadel.post('/v1/servers', {
    id: 'other',
    hostname: '127.0.0.1',
    port,
    base_path: '/v1',
    models: ['openchat'],
  });
}, START_LIMIT_MS);
afterAll(() => citadel.stop());
afterEach(() => Promise.all(['sim', 'other'].map((id) => citadel.post(`/orchestration/recover/${id}`, {}))));

const drain = (id: string) => citadel.post(`/orchestration/failover/${id}`, {});

const lastBody = () => citadel.model.requests.filter(({ method }) => method === 'POST').at(-1)?.body;

describe('a request for an alias', () => {
  test('goes to the first of its chain, and the server gets that name and the rest byte for byte', async () => {
    const body =
      '{"model": "fast", "seed":12345678901234567890, "messages":[{"role":"user","content":"\\u0066ast"}],"stream":true,"stream_options":{"include_usage":true}}';
    const response = await citadel.post('/v1/chat/completions', body);
    const text = await response.text();

    expect(response.status).toBe(200);
    expect(response.headers.get('x-citadel-model')).toBe('phi3');
    expect(lastBody()).toBe(body.replace('"fast"', '"phi3"'));
    const [first] = readEvents(text);
    expect(JSON.parse(first ?? '')).toMatchObject({ model: 'phi3' });
  });

  test('of an alias goes on to what that one stands for', async () => {
    const response = await citadel.post('/v1/chat/completions', chat('quick'));

    expect(response.headers.get('x-citadel-model')).toBe('phi3');
    expect(JSON.parse(lastBody() ?? '')).toMatchObject({ model: 'phi3', stream: true });
  });

  test('goes to the next of its chain while no server of the first takes work', async () => {
    await drain('sim');

    const response = await citadel.post('/v1/chat/completions', chat('fast'));

    // The second server's own list has phi3 too: only its state decides.
    expect(response.headers.get('x-citadel-server')).toBe('other');
    expect(response.status).toBe(200);
  });

  test('whose name no header can hold is named in the header all the same', async () => {
    const response = await citadel.post('/v1/chat/completions', chat('words é'));

    expect(response.status).toBe(200);
    expect(decodeURIComponent(response.headers.get('x-citadel-model') ?? '')).toBe('ünïcode');
  });

  test.each(['nowhere', 'one'])('whose chain has no model is a 404: %s', async (name) => {
    const response = await citadel.post('/v1/chat/completions', chat(name));

    expect(response.status).toBe(404);
    expect(await response.json()).toEqual(errorOf('model_not_found', { param: 'model' }));
  });

  test('is a 503 while no server of any of them takes work', async () => {
    await Promise.all([drain('sim'), drain('other')]);

    const response = await citadel.post('/v1/chat/completions', chat('fast'));

    expect(response.status).toBe(503);
    expect(Number(response.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    expect(await response.json()).toEqual(errorOf('no_healthy_server', { param: 'model' }));
  });
});

describe('a model that has a chain', () => {
  test('is called itself while it can be, and its chain when it cannot', async () => {
    const own = await citadel.post('/v1/chat/completions', chat('openchat'));
    await drain('other');
    const replaced = await citadel.post('/v1/chat/completions', chat('openchat'));

    expect(own.headers.get('x-citadel-model')).toBe('openchat');
    expect(own.headers.get('x-citadel-server')).toBe('other');
    expect(replaced.headers.get('x-citadel-model')).toBe('phi3');
    expect(replaced.headers.get('x-citadel-server')).toBe('sim');
    expect(replaced.status).toBe(200);
  });
});

test('a model without an alias is named in the header too', async () => {
  const response = await citadel.post('/v1/completions', { model: 'phi3', prompt: 'x' });

  expect(response.headers.get('x-citadel-model')).toBe('phi3');
});

describe('GET /v1/models', () => {
  test('lists the aliases that can be called, each with its chain', async () => {
    const { data } = (await (await citadel.get('/v1/models')).json()) as {
      data: { id: string; citadel: { alias_of?: string[]; servers: string[] } }[];
    };
    const aliases = Object.fromEntries(data.map(({ id, citadel: { alias_of } }) => [id, alias_of]));

    expect(aliases).toEqual({
      fast: ['phi3', 'openchat'],
      openchat: ['phi3'],
      phi3: undefined,
      quick: ['fast'],
      'words é': ['ünïcode'],
      ünïcode: undefined,
    });
  });

  test('and each of them by itself', async () => {
    const found = await (await citadel.get('/v1/models/fast')).json();
    const missing = await citadel.get('/v1/models/nowhere');

    expect(found).toMatchObject({ id: 'fast', object: 'model', citadel: { alias_of: ['phi3', 'openchat'] } });
    expect(missing.status).toBe(404);
  });
});
