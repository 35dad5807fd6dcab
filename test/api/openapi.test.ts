import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Validator } from '@seriousme/openapi-schema-validator';
import { type AppOptions, createApp } from '../../api/app.ts';
import { NO_METRICS } from '../../core/metrics.ts';
import { chat, startTestCitadel, type TestCitadel } from '../support/citadel.ts';
import { waitFor } from '../support/wait-for.ts';
import { type ApiDescription, createAnswerCheck, describedRoutes, toRoute } from './described-api.ts';
import { START_LIMIT_MS } from './setup.ts';

/** The HTTP contract, which is not a part of this repository. */
const CONTRACT = fileURLToPath(new URL('../../../shared/API.md', import.meta.url));
const testWithContract = existsSync(CONTRACT) ? test : test.skip;

/** Served by routers of their own, with a sign-in of their own, which the application's table does not list. */
const PAGES = ['GET /dashboard', 'GET /dashboard/queues'];

let citadel: TestCitadel;
let description: ApiDescription;

const ADMIN = { authorization: 'Bearer the-key-of-an-admin-1' };
const USER = { authorization: 'Bearer the-key-of-a-user-22' };

beforeAll(async () => {
  citadel = await startTestCitadel({
    env: { CITADEL_API_KEYS: 'one:admin:the-key-of-an-admin-1,two:user:the-key-of-a-user-22' },
  });
  description = (await (await citadel.get('/openapi.json')).json()) as ApiDescription;
}, START_LIMIT_MS);
afterAll(() => citadel.stop());

/** What createApp mounts with all of its parts there, whatever they do. */
function mountedRoutes(): string[] {
  const dashboards = { router: () => {}, apiCalls: () => {} };
  const sizes = { corsOrigins: [], bodyBytesMax: 1, ingestBytesMax: 1 };
  const known = { ...sizes, version: '0', metrics: NO_METRICS, dashboards };
  const parts: unknown = new Proxy(known, { get: (...given) => Reflect.get(...given) ?? (() => {}) });
  const app = createApp(parts as AppOptions);
  return app.router.stack.flatMap(({ route }) => {
    const methods = new Set(route?.stack.map(({ method }) => method));
    return [...methods].filter(Boolean).map((method) => toRoute(method, route?.path ?? ''));
  });
}

/** `GET /v1/models`, `POST …/cancel` and the like, and paths alone; what is planned left out. */
function contractRoutes(): string[] {
  const lines = readFileSync(CONTRACT, 'utf8').split('\n');
  const text = lines.filter((line) => !line.includes('*(planned')).join('\n');
  const routes = text.matchAll(/`((?:[A-Z]{3,6}\/?)+ )?(…?\/[a-z{][\w{}/.|-]*|…\/[\w{}/.|-]+)[^`]*`/g);
  return [...routes]
    .filter(([whole]) => !whole.includes('*'))
    .flatMap(([, methods, path = '']) => {
      const [first = '', ...others] = path.split('|');
      const paths = [first, ...others.map((other) => first.replace(/[^/]+$/, other))];
      const wanted = methods === undefined ? ['ANY'] : methods.trim().split('/');
      return wanted.flatMap((method) => paths.map((one) => toRoute(method, one)));
    });
}

async function statusOf(method: string, path: string, headers: Record<string, string>): Promise<number> {
  const url = citadel.url + path.replace(/\{\w+\}/g, 'nothing');
  const response = await fetch(url, { method: method.toUpperCase(), headers, redirect: 'manual' });
  await response.arrayBuffer();
  return response.status;
}

function isDescribed(route: string, described: readonly string[]): boolean {
  const [method = '', path = ''] = route.split(' ');
  const isPart = path.startsWith('…') || method === 'ANY';
  const end = path.replace(/^…/, '');
  return described.some((known) => {
    const [knownMethod, knownPath = ''] = known.split(' ');
    if (method !== 'ANY' && knownMethod !== method) return false;
    // `POST/GET/DELETE /api/v1/schedules` means one of them by the last.
    return isPart ? knownPath.endsWith(end) : [end, `${end}/{}`].includes(knownPath);
  });
}

describe('/openapi.json', () => {
  test("is OpenAPI 3.1, by OpenAPI's own schema, with no name used twice", async () => {
    const validator = new Validator();
    const names = Object.values(description.paths).flatMap((path) =>
      Object.values(path).map(({ operationId }) => operationId),
    );

    expect(await validator.validate({ ...structuredClone(description) })).toEqual({ valid: true });
    expect(validator.version).toBe('3.1');
    expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
  });

  test('describes every route that is mounted, and no other', () => {
    const described = describedRoutes(description).filter((route) => !PAGES.includes(route));

    expect(described.sort()).toEqual(mountedRoutes().sort());
  });

  testWithContract('describes every route of the contract (needs ../shared/API.md)', () => {
    const described = describedRoutes(description);
    const wanted = contractRoutes();
    const missing = wanted.filter((route) => !isDescribed(route, described));

    expect(wanted.length).toBeGreaterThan(90);
    expect(missing).toEqual([]);
  });

  test('says of each route who may call it', async () => {
    const routes = Object.entries(description.paths).flatMap(([path, operations]) =>
      Object.entries(operations).map(([method, operation]) => ({ method, path, operation })),
    );
    const called = routes.filter(({ method, path }) => !PAGES.includes(toRoute(method, path)));
    const answers = called.map(async ({ method, path, operation }) => {
      const withoutKey = await statusOf(method, path, {});
      const withKey = await statusOf(method, path, USER);
      const caller = withoutKey !== 401 ? 'anyone' : withKey === 403 ? 'admin' : 'user';
      const said = operation.security ? 'anyone' : 'x-citadel-role' in operation ? 'admin' : 'user';
      return { route: toRoute(method, path), caller, said };
    });
    const wrong = (await Promise.all(answers)).filter(({ caller, said }) => caller !== said);

    expect(wrong).toEqual([]);
  });

  test('needs no key, is sent packed, and not again to who has it', async () => {
    const [plain, packed] = await Promise.all([
      fetch(`${citadel.url}/openapi.json`, { headers: { 'accept-encoding': 'identity' } }),
      fetch(`${citadel.url}/openapi.json`, { headers: { 'accept-encoding': 'gzip' } }),
    ]);
    const etag = packed.headers.get('etag') ?? '';
    const again = await citadel.get('/openapi.json', { 'if-none-match': etag });

    expect(await packed.json()).toEqual(await plain.json());
    expect(packed.headers.get('content-encoding')).toBe('gzip');
    expect(Number(packed.headers.get('content-length'))).toBeLessThan(30_000);
    expect(plain.headers.get('content-encoding')).toBeNull();
    expect({ status: again.status, body: await again.text() }).toEqual({ status: 304, body: '' });
  });
});

describe('answers are as /openapi.json describes them', () => {
  let faultsOf: ReturnType<typeof createAnswerCheck>;
  beforeAll(() => {
    faultsOf = createAnswerCheck(description);
  });

  /** Calls a route, its ids put in, and holds the answer to the description. */
  async function ask(route: string, ids: string[] = [], body?: unknown): Promise<Record<string, string>> {
    const [method = '', path = ''] = route.split(' ');
    const [bare = '', query] = path.split('?');
    const left = [...ids];
    const url = bare.replace(/\{\w+\}/g, () => left.shift() ?? '');
    const response = await fetch(`${citadel.url}${url}${query ? `?${query}` : ''}`, {
      method,
      headers: { ...ADMIN, 'content-type': 'application/json' },
      body: body === undefined ? null : JSON.stringify(body),
    });
    const answer = (await response.json()) as Record<string, string>;
    const faults = faultsOf(method.toLowerCase(), bare, response.status, answer);
    expect({ route, answer, faults }).toEqual({ route, answer, faults: [] });
    return answer;
  }

  test('not just any', () => {
    expect(faultsOf('get', '/api/v1/keys/{id}', 200, { id: 'x' })).not.toEqual([]);
    expect(faultsOf('get', '/health', 200, { status: 'ok', more: 1 })).not.toEqual([]);
  });

  test('those of models', async () => {
    const texts = { model: 'sim-embed', input: ['a', 'b'] };
    await ask('POST /v1/chat/completions', [], chat('sim-chat'));
    await ask('POST /v1/completions', [], { model: 'sim-chat', prompt: 'Once' });
    await ask('POST /v1/embeddings', [], texts);
    await ask('POST /api/v1/embeddings/batch', [], texts);
    await ask('POST /api/v1/embeddings/similarity', [], { model: 'sim-embed', a: 'a', b: ['b'] });
    await ask('GET /v1/models');
    await ask('GET /v1/models/{id}', ['sim-chat']);
    await ask('POST /v1/chat/completions', [], chat('no-such-model'));
  });

  test('those of servers and of health', async () => {
    await ask('POST /v1/servers', [], { id: 'other', hostname: '127.0.0.1', port: citadel.model.port });
    await ask('GET /v1/servers');
    await ask('GET /v1/servers/{id}', ['other']);
    await ask('GET /orchestration/servers/list');
    await ask('GET /orchestration/servers/{id}/health', ['other']);
    await ask('POST /orchestration/workload/distribute', [], { model_required: 'sim-chat' });
    await ask('POST /orchestration/failover/{id}', ['other']);
    await ask('POST /orchestration/recover/{id}', ['other']);
    await ask('PATCH /v1/servers/{id}', ['other'], { weight: 2 });
    await ask('DELETE /v1/servers/{id}', ['other']);
    for (const path of ['/health', '/v1/health', '/health/enterprise']) await ask(`GET ${path}`);
    for (const part of ['', '/live', '/ready', '/servers', '/queues']) await ask(`GET /api/v1/health${part}`);
  });

  test('those of who operates it', async () => {
    await ask('GET /api/v1/usage?by=key');
    await ask('POST /api/v1/queues/{class}/pause', ['heavyweight']);
    await ask('POST /api/v1/queues/{class}/resume', ['heavyweight']);
    await ask('POST /api/v1/config/reload');
  });

  test('those of keys', async () => {
    const limits = { requests_per_minute: 5, token_budget: { tokens: 9, per: 'day' } };
    const { id = '' } = await ask('POST /api/v1/keys', [], { name: 'app', ...limits });
    await ask('GET /api/v1/keys');
    await ask('GET /api/v1/keys/{id}', [id]);
    await ask('PATCH /api/v1/keys/{id}', [id], { token_budget: null });
    await ask('DELETE /api/v1/keys/{id}', [id]);
    await ask('GET /api/v1/keys/{id}', ['nothing']);
  });

  test('those of jobs', async () => {
    const { id = '' } = await ask('POST /api/v1/orchestrate', [], {
      kind: 'chat',
      request: chat('sim-chat'),
    });
    await waitFor(async () => {
      const { status } = await ask('GET /api/v1/orchestrate/{id}', [id]);
      return status === 'succeeded';
    }, 'the job');
    await ask('GET /api/v1/orchestrate?status=succeeded');
    await ask('POST /api/v1/orchestrate/{id}/cancel', [id]);
    await ask('POST /api/v1/orchestrate/{id}/retry', [id]);
  });

  test('those of workflows and schedules', async () => {
    const steps = [
      { id: 'one', type: 'chat', model: 'sim-chat', messages: [{ role: 'user', content: 'Hello' }] },
      { id: 'two', type: 'transform', value: '${{ steps.one.output.text }}' },
    ];
    await ask('POST /api/v1/workflows/validate', [], { name: 'greet', steps });
    await ask('POST /api/v1/workflows/validate', [], { name: 'greet', steps: [{ id: 'x', type: '?' }] });
    await ask('PUT /api/v1/workflows/definitions/{name}', ['greet'], { name: 'greet', steps });
    await ask('GET /api/v1/workflows/definitions');
    await ask('GET /api/v1/workflows/definitions/{name}', ['greet']);
    const { id = '' } = await ask('POST /api/v1/workflows', [], { workflow: 'greet' });
    await ask('GET /api/v1/workflows/{id}/result?wait_ms=20000', [id]);
    await ask('GET /api/v1/workflows/{id}', [id]);
    await ask('GET /api/v1/workflows/{id}/timeline', [id]);
    await ask('GET /api/v1/workflows?workflow=greet');
    await ask('POST /api/v1/workflows/{id}/pause', [id]);
    await ask('POST /api/v1/workflows/{id}/fork', [id], { from_step: 'two' });

    const cron = { workflow: 'greet', cron: '0 0 1 1 *', time_zone: 'Europe/Vienna' };
    const schedule = await ask('POST /api/v1/schedules', [], cron);
    await ask('POST /api/v1/schedules', [], { workflow: 'greet', every: '1d' });
    await ask('GET /api/v1/schedules');
    await ask('GET /api/v1/schedules/{id}', [schedule.id ?? '']);
    await ask('DELETE /api/v1/schedules/{id}', [schedule.id ?? '']);
    await ask('DELETE /api/v1/workflows/definitions/{name}', ['greet']);
  });

  test('those of documents', async () => {
    await ask('POST /api/v1/rag/collections', [], { name: 'notes' });
    const text = { collection: 'notes', text: 'Cranes fly south in autumn.', external_id: 'cranes' };
    const { id = '' } = await ask('POST /api/v1/rag/ingest/text', [], text);
    await waitFor(async () => {
      const { status } = await ask('GET /api/v1/rag/ingest/jobs/{id}', [id]);
      return status === 'completed';
    }, 'the document');
    await ask('POST /api/v1/rag/ingest/jobs/{id}/cancel', [id]);
    await ask('GET /api/v1/rag/health');
    await ask('GET /api/v1/rag/collections');
    await ask('GET /api/v1/rag/collections/{name}', ['notes']);
    await ask('POST /api/v1/rag/search', [], { collection: 'notes', query: 'cranes' });
    await ask('POST /api/v1/rag/query', [], { collection: 'notes', query: 'cranes', model: 'sim-chat' });
    await ask('POST /api/v1/rag/collections/{name}/verify', ['notes']);
    await ask('PATCH /api/v1/rag/collections/{name}', ['notes'], { shared: true });
    await ask('POST /api/v1/rag/collections/{name}/rollback', ['notes']);
    await ask('GET /api/v1/rag/collections/{name}/documents', ['notes']);
    await ask('DELETE /api/v1/rag/collections/{name}', ['notes']);
  });
});
