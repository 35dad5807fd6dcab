import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { chat, startTestCitadel, type TestCitadel } from '../support/citadel.ts';
import { waitFor } from '../support/wait-for.ts';
import { errorOf, START_LIMIT_MS } from './setup.ts';

const IDS = ['org/team/model', 'phi3:3.8b', 'sim-embed', '100% local?'];

let citadel: TestCitadel;

beforeAll(async () => {
  // `named` is one that only the registration knows.
  citadel = await startTestCitadel({
    models: IDS,
    registration: { models: ['named'] },
    env: { CITADEL_HEALTH_INTERVAL_MS: '100' },
  });
  await waitFor(() => citadel.process.registry.findModel('sim-embed'), 'the first report of the server');
}, START_LIMIT_MS);
afterAll(() => citadel.stop());

async function get(path: string): Promise<{ status: number; headers: Headers; body: unknown }> {
  const response = await citadel.get(path);
  return { status: response.status, headers: response.headers, body: await response.json() };
}

const model = (id: string, modelClass: string) => ({
  id,
  object: 'model',
  created: 1_735_689_600,
  owned_by: 'citadel-demo',
  citadel: { class: modelClass, servers: ['sim'], state: 'healthy' },
});

describe('GET /v1/models', () => {
  test('lists every model of the servers, by name, with its class and servers', async () => {
    const { status, headers, body } = await get('/v1/models');

    expect(status).toBe(200);
    expect(body).toEqual({
      object: 'list',
      data: [
        model('100% local?', 'lightweight'),
        { ...model('named', 'lightweight'), created: expect.any(Number), owned_by: 'citadel' },
        model('org/team/model', 'lightweight'),
        model('phi3:3.8b', 'lightweight'),
        model('sim-embed', 'embedding'),
      ],
    });
    expect(headers.get('x-request-id')).toMatch(/^req_/);
    expect(headers.get('openai-processing-ms')).toMatch(/^\d+$/);
  });

  test('answers HEAD without a body', async () => {
    const response = await fetch(`${citadel.url}/v1/models`, { method: 'HEAD' });

    expect(response.status).toBe(200);
    expect(await response.text()).toBe('');
  });
});

describe('GET /v1/models/{id}', () => {
  test.each([
    'org/team/model',
    'org%2Fteam%2Fmodel',
    'org/team%2fmodel',
    'phi3:3.8b',
    'phi3%3A3.8b',
    '100%25%20local%3F',
  ])('finds the id however it is written: %s', async (written) => {
    const { status, body } = await get(`/v1/models/${written}`);

    expect(status).toBe(200);
    expect(body).toEqual(model(decodeURIComponent(written), 'lightweight'));
  });

  test.each(['phi9', 'org/team', 'org%2Fteam%2Fmodel%2F', '__proto__', 'constructor', '%00', '..%2f..'])(
    'is a 404 in the shape of every error for one that there is not: %s',
    async (written) => {
      const { status, headers, body } = await get(`/v1/models/${written}`);

      expect(status).toBe(404);
      expect(body).toEqual(errorOf('model_not_found', { param: 'model' }));
      expect(headers.get('x-request-id')).toMatch(/^req_/);
      expect(headers.get('openai-processing-ms')).toMatch(/^\d+$/);
    },
  );
});

test('the models of a server that has gone leave the list, answer 503, and come back with it', async () => {
  const ids = async () => {
    const { body } = await get('/v1/models');
    return (body as { data: { id: string }[] }).data.map(({ id }) => id);
  };
  const before = await ids();

  await citadel.model.stop();
  await waitFor(async () => (await ids()).length === 0, 'an empty list');
  const { body } = await get('/v1/models/phi3:3.8b');
  const refused = await citadel.post('/v1/chat/completions', chat('phi3:3.8b'));

  expect(body).toMatchObject({ id: 'phi3:3.8b', citadel: { servers: ['sim'], state: 'unhealthy' } });
  expect(refused.status).toBe(503);
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
  expect(await refused.json()).toEqual(errorOf('no_healthy_server', { param: 'model' }));

  await citadel.model.start();
  await waitFor(async () => (await ids()).length === before.length, 'the list as it was');
  expect(await ids()).toEqual(before);
});
