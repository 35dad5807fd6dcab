import { existsSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { Ajv } from 'ajv';
import type { VectorIndex } from '../../rag/vector-store.ts';
import { createQdrantStore } from '../../storage/qdrant-store.ts';
import { point, vector, vectorStoreSuite } from '../conformance/vector-store.suite.ts';

const SPEC = new URL('../../../shared/specs/qdrant-1.19.openapi.json', import.meta.url);
const INDEX: VectorIndex = { id: 'ver_1', dimensions: 3 };

interface Recorded {
  method: string;
  path: string;
  query: string;
  headers: IncomingMessage['headers'];
  body: unknown;
}

interface Writing {
  points: { vector: { words: { values: number[] } }; payload: object }[];
}

type Reply = { status?: number; headers?: Record<string, string>; result?: unknown };

const stops: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

/** Takes requests and answers each as `reply` says: it knows nothing of what they mean. */
async function setup(reply: (request: Recorded, index: number) => Reply = () => ({})) {
  const requests: Recorded[] = [];
  const server = createServer(async (req, res) => {
    const text = (await req.toArray()).join('');
    const { pathname, search } = new URL(req.url ?? '', 'http://x');
    const request = {
      method: req.method ?? '',
      path: pathname,
      query: search,
      headers: req.headers,
      body: text === '' ? undefined : JSON.parse(text),
    };
    const { status = 200, headers = {}, result = true } = reply(request, requests.length);
    requests.push(request);
    res.writeHead(status, { 'content-type': 'application/json', ...headers });
    res.end(JSON.stringify({ time: 0, status: 'ok', result }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  stops.push(() => new Promise((resolve) => server.close(resolve)));
  const waits: number[] = [];
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const store = createQdrantStore({
    url,
    apiKey: 'secret',
    wait: async (ms) => waits.push(ms),
  });
  return { url, store, requests, waits };
}

const EMPTY = { points: [] };
const BOTH = {
  ...{ terms: ['red'], vector: vector(1, 0, 0), limit: 7, documentIds: ['doc_1'] },
  fusion: { rankConstant: 60, weights: { lexical: 2, dense: 2 } },
};
const asEmpty = ({ path }: Recorded): Reply => {
  if (path.endsWith('/exists')) return { result: { exists: false } };
  if (path.endsWith('/aliases')) return { result: { aliases: [] } };
  return { result: EMPTY };
};

async function useAll() {
  const bundle = await setup(asEmpty);
  const { store } = bundle;
  await store.ensure(INDEX);
  await store.ensure({ id: 'ver_words', dimensions: null });
  await store.upsert(INDEX, [point('a', 'red green red'), { ...point('b', 'blue'), vector: null }]);
  await store.search(INDEX, {
    ...{ terms: ['red', 'red', 'blue'], vector: vector(1, 0, 0), limit: 7, documentIds: ['doc_1'] },
  });
  await store.search(INDEX, BOTH);
  await store.ids(INDEX, null, 10);
  await store.ids(INDEX, '00000000-0000-5000-a000-000000000000', 10);
  await store.remove(INDEX, [point('a', '').id]);
  await store.activate?.(INDEX, 'col_1');
  await store.drop(INDEX);
  await store.ping();
  return bundle;
}

(existsSync(SPEC) ? test : test.skip)(
  "each request is one that Qdrant's description of its API allows (needs ../shared/specs/qdrant-1.19.openapi.json)",
  async () => {
    const { requests } = await useAll();
    const check = requestCheck();
    expect(requests.length).toBeGreaterThan(14);
    expect(requests.map((request) => check(request)).filter((problem) => problem !== null)).toEqual([]);
    // It would find a wrong one.
    const [wrong] = requests.filter(({ path }) => path.endsWith('/points/query'));
    expect(wrong && check({ ...wrong, body: { limit: 'x' } })).toMatch(/limit/);
  },
);

test('every request carries the key, and a search asks for its own index alone', async () => {
  const { requests } = await useAll();
  expect(new Set(requests.map(({ headers }) => headers['api-key']))).toEqual(new Set(['secret']));
  const queries = requests.filter(({ path }) => path.endsWith('/points/query'));
  expect(queries.map(({ body }) => (body as { filter: unknown }).filter)).toEqual([
    {
      must: [
        { key: 'version', match: { value: 'ver_1' } },
        { key: 'document_id', match: { any: ['doc_1'] } },
      ],
    },
    expect.anything(),
    expect.anything(),
  ]);
});

test('words and meaning that weigh the same are fused by Qdrant itself, each asked within the index alone', async () => {
  const { store, requests } = await setup(() => ({
    result: { points: [{ id: 'p', version: 0, score: 0.5 }] },
  }));
  const found = await store.search(INDEX, BOTH);

  // Qdrant has no factor for the whole: 2 / (60 + rank) is twice what it gives.
  expect(found).toEqual({ lexical: [], dense: [], fused: [{ id: 'p', score: 1 }] });
  const filter = {
    must: [
      { key: 'version', match: { value: 'ver_1' } },
      { key: 'document_id', match: { any: ['doc_1'] } },
    ],
  };
  expect(requests.map(({ body }) => body)).toEqual([
    {
      prefetch: [
        { query: { indices: [expect.any(Number)], values: [1] }, using: 'words', limit: 7, filter },
        { query: [1, 0, 0], using: 'meaning', limit: 7, filter },
      ],
      // The best of a list has rank 0 there, and 1 here.
      query: { rrf: { k: 61 } },
      ...{ filter, limit: 7, with_payload: false },
    },
  ]);
});

test('lists that weigh differently come as two, for Qdrant weighs ranks and not what a list says', async () => {
  const { store, requests } = await setup(({ body }) => {
    const { using } = body as { using: string };
    return { result: { points: [{ id: using, version: 0, score: 0.5 }] } };
  });
  const fusion = { rankConstant: 60, weights: { lexical: 1, dense: 2 } };
  expect(await store.search(INDEX, { ...BOTH, fusion })).toEqual({
    lexical: [{ id: 'words', score: 0.5 }],
    dense: [{ id: 'meaning', score: 0.5 }],
  });
  expect(requests.map(({ body }) => body)).toEqual([
    expect.not.objectContaining({ prefetch: expect.anything() }),
    expect.not.objectContaining({ prefetch: expect.anything() }),
  ]);
});

test('words are weighed by how often they stand there and by the average length of what is there', async () => {
  const { store, requests } = await setup(({ path }) =>
    path.endsWith('/scroll') ? { result: { points: [{ id: 'x', payload: { length: 5 } }] } } : {},
  );
  await store.upsert(INDEX, [point('a', 'red red green')]);
  const body = requests.at(-1)?.body as Writing | undefined;
  const [written] = body?.points ?? [];
  // 3 words, where the average is (5 + 3) / 2.
  const norm = 1.2 * (1 - 0.75 + (0.75 * 3) / 4);
  const [red = 0, green = 0] = written?.vector.words.values ?? [];
  expect(red).toBeCloseTo(2 / (2 + norm), 6);
  expect(green).toBeCloseTo(1 / (1 + norm), 6);
  expect(written?.payload).toEqual({ version: 'ver_1', document_id: 'doc_1', length: 3 });
});

test('points go in batches of 128, and each write waits until it is kept', async () => {
  const { store, requests } = await setup(asEmpty);
  await store.upsert(
    INDEX,
    Array.from({ length: 300 }, (_, number) => point(`p${number}`, 'x')),
  );
  const writes = requests.filter(({ method }) => method === 'PUT');
  expect(writes.map(({ body }) => (body as { points: object[] }).points.length)).toEqual([128, 128, 44]);
  expect(writes.every(({ query }) => query === '?wait=true')).toBe(true);
});

test('it tries again after as many seconds as it is told, and gives up after four tries', async () => {
  const busy = { status: 429, headers: { 'retry-after': '3' } };
  const { store, waits } = await setup((_, index) => (index < 2 ? busy : { result: {} }));
  await store.ping();
  expect(waits).toEqual([3_000, 3_000]);

  const down = await setup((_, index) =>
    index === 0 ? { status: 503, headers: { 'retry-after': '15' } } : { status: 503 },
  );
  await expect(down.store.ping()).rejects.toMatchObject({ code: 'store_unavailable' });
  expect(down.waits).toEqual([5_000, 800, 1_600]);
  expect(down.requests).toHaveLength(4);
});

test.each([
  ['seconds of two digits', '10', 5_000],
  ['a date that has passed', 'Wed, 21 Oct 2015 07:28:00 GMT', 0],
  ['neither of them', 'soon', 400],
])('a 429 is believed whole: %s', async (_, retryAfter, waitMs) => {
  const busy = { status: 429, headers: { 'retry-after': retryAfter } };
  const { store, waits } = await setup((_request, index) => (index < 1 ? busy : { result: {} }));
  await store.ping();
  expect(waits).toEqual([waitMs]);
});

test('calls that are refused at once wait each as long as its own answer says', async () => {
  const { store, waits } = await setup(({ path }, index) => {
    if (index >= 2) return { result: path.endsWith('/query') ? EMPTY : {} };
    return { status: 429, headers: { 'retry-after': path.endsWith('/query') ? '4' : '2' } };
  });
  const words = { terms: ['x'], vector: null, limit: 5, documentIds: null };
  await Promise.all([store.search(INDEX, words), store.ping()]);
  expect(waits.sort()).toEqual([2_000, 4_000]);
});

test("a collection's name leads to its active index, and is written only where it leads elsewhere", async () => {
  const names: string[] = [];
  const { store, requests } = await setup(({ method, path }) => {
    if (method === 'POST' && path === '/collections/aliases') names.push('citadel_col_1');
    const aliases = names.map((alias_name) => ({ alias_name, collection_name: 'citadel_ver_1' }));
    return { result: { aliases } };
  });
  await store.activate?.(INDEX, 'col_1');
  await store.activate?.(INDEX, 'col_1');
  expect(requests.map(({ method, path }) => `${method} ${path}`)).toEqual([
    'GET /collections/citadel_ver_1/aliases',
    'POST /collections/aliases',
    'GET /collections/citadel_ver_1/aliases',
  ]);
  expect(requests[1]?.body).toEqual({
    actions: [
      { delete_alias: { alias_name: 'citadel_col_1' } },
      { create_alias: { collection_name: 'citadel_ver_1', alias_name: 'citadel_col_1' } },
    ],
  });
});

test('a path in the address of Qdrant stands before all others, and nothing is written to the console', async () => {
  const warn = jest.spyOn(console, 'warn');
  stops.push(async () => warn.mockRestore());
  const { url, requests } = await setup();
  await createQdrantStore({ url: `${url}/behind/`, apiKey: 'secret' }).ping();
  expect(requests.map(({ path }) => path)).toEqual(['/behind/collections']);
  expect(warn).not.toHaveBeenCalled();
});

test('where nothing listens it is unavailable, and where the index is gone nothing is found', async () => {
  const { store } = await setup(() => ({ status: 404 }));
  const query = { terms: ['x'], vector: null, limit: 5, documentIds: null };
  expect(await store.search(INDEX, query)).toEqual({ lexical: [], dense: [] });
  expect(await store.ids(INDEX, null, 5)).toEqual([]);
  await expect(store.upsert(INDEX, [point('a', 'x')])).rejects.toMatchObject({ code: 'not_found' });

  for (const stop of stops.splice(0)) await stop();
  await expect(store.ping()).rejects.toMatchObject({ code: 'store_unavailable' });
});

test('what Qdrant refuses is not tried again, and its words are not for callers', async () => {
  const { store, requests } = await setup(() => ({ status: 400 }));
  await expect(store.ping()).rejects.not.toHaveProperty('code');
  expect(requests).toHaveLength(1);
});

const { QDRANT_URL: url } = process.env;
if (url === undefined) {
  describe('Qdrant', () => {
    test.skip('needs Qdrant: set QDRANT_URL to one that this test may write to', () => {});
  });
} else {
  describe('Qdrant', () => {
    const another = async () => createQdrantStore({ url, apiKey: process.env.QDRANT_API_KEY });
    vectorStoreSuite(async () => ({ store: await another(), another, close: async () => {} }));
  });
}

interface Operation {
  parameters?: { name: string; in: string }[];
  requestBody?: { content: { 'application/json': { schema: object } } };
}

/** Gives what is wrong with a request, by Qdrant's own description; null where nothing is. */
function requestCheck(): (request: Recorded) => string | null {
  const spec = JSON.parse(readFileSync(SPEC, 'utf8'), toJsonSchema);
  const ajv = new Ajv({ strict: false, allErrors: false, validateFormats: false });
  ajv.addSchema(spec, 'qdrant');
  const paths = Object.entries<Record<string, Operation>>(spec.paths).map(([path, operations], index) => ({
    path,
    operations,
    index,
    pattern: new RegExp(`^${path.replaceAll(/\{\w+\}/g, '[^/]+')}$`),
  }));
  return ({ method, path, query, body }) => {
    const found = paths.find(
      ({ pattern, operations }) => pattern.test(path) && operations[method.toLowerCase()],
    );
    const operation = found?.operations[method.toLowerCase()];
    if (!found || !operation) return `${method} ${path} is not known`;
    const names = (operation.parameters ?? []).filter((one) => one.in === 'query').map(({ name }) => name);
    for (const name of new URLSearchParams(query).keys()) {
      if (!names.includes(name)) return `${method} ${path} takes no ${name}`;
    }
    if (!operation.requestBody) return body === undefined ? null : `${method} ${path} takes no body`;
    const pointer = found.path
      .replaceAll('~', '~0')
      .replaceAll('/', '~1')
      .replaceAll('{', '%7B')
      .replaceAll('}', '%7D');
    const place = `qdrant#/paths/${pointer}/${method.toLowerCase()}/requestBody/content/application~1json/schema`;
    const validate = ajv.getSchema(place);
    if (!validate) return `${place} cannot be read`;
    return validate(body) ? null : `${method} ${path}: ${ajv.errorsText(validate.errors)}`;
  };
}

/** OpenAPI 3.0's schemas as JSON Schema: null is a type there, and here a name that is not known is a slip of ours. */
function toJsonSchema(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const { nullable, ...schema } = value as Record<string, unknown>;
  const isPlainObject = schema.type === 'object' && 'properties' in schema && !('anyOf' in schema);
  const closed = isPlainObject ? { additionalProperties: false, ...schema } : schema;
  if (nullable !== true) return closed;
  if ('type' in schema) return { ...closed, nullable };
  return Object.keys(schema).length === 0 ? { type: 'null' } : { anyOf: [closed, { type: 'null' }] };
}
