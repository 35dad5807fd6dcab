import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { AppError } from '../../core/errors.ts';
import { createSearchService } from '../../rag/search-service.ts';
import { openSearchBundle, type SearchBundle } from './search-bundle.ts';

const NOBODY = { keyName: null, weight: 1, seesAll: true };
const signal = new AbortController().signal;
let bundle: SearchBundle;

beforeAll(async () => {
  bundle = await openSearchBundle();
});

afterAll(async () => {
  await bundle?.close();
});

const DOCUMENTS = [
  {
    id: 'foxes',
    texts: ['Foxes hunt at night.', 'Foxes sleep by day.'],
    metadata: { year: 2020, tags: ['a'] },
  },
  { id: 'bears', texts: ['Bears sleep in winter.'], metadata: { year: 2024, tags: ['a', 'b'], draft: true } },
  { id: 'owls', texts: ['Owls hunt at night and sleep by day.'], metadata: { year: 'unknown' } },
];

async function found(collection: string, query: string, fields: object = {}) {
  const { hits } = await bundle.search.search({ collection, query, ...fields }, NOBODY, signal);
  return hits.map(({ externalId }) => externalId);
}

test('a collection without a model is searched by its words, and says so', async () => {
  const { name } = await bundle.collection(DOCUMENTS);
  const { mode, hits } = await bundle.search.search({ collection: name, query: 'winter' }, NOBODY, signal);

  expect(mode).toBe('lexical');
  expect(hits).toEqual([
    expect.objectContaining({
      externalId: 'bears',
      text: 'Bears sleep in winter.',
      charStart: 0,
      charEnd: 22,
      metadata: DOCUMENTS[1]?.metadata,
      score: expect.any(Number),
    }),
  ]);
});

test('a collection with a model is searched by words and meaning together', async () => {
  const { name } = await bundle.collection(DOCUMENTS, { embeddingModel: 'words' });
  const { mode, hits } = await bundle.search.search(
    { collection: name, query: 'bears in winter' },
    NOBODY,
    signal,
  );

  expect(mode).toBe('hybrid');
  expect(hits[0]).toMatchObject({ externalId: 'bears', score: 2 / 61 });
  expect(hits).toHaveLength(4);
  expect((await found(name, 'night', { mode: 'lexical' })).sort()).toEqual(['foxes', 'owls']);
  expect(await found(name, 'winter bears', { mode: 'dense', top_k: 1 })).toEqual(['bears']);
});

test('where the model is away, auto looks for words and dense fails', async () => {
  const { name } = await bundle.collection(DOCUMENTS, { embeddingModel: 'words' });
  const away = new AppError('no_healthy_server', 'None is there.');
  const search = createSearchService({ ...bundle, embedder: { embed: () => Promise.reject(away) } });

  const { mode, hits } = await search.search({ collection: name, query: 'winter' }, NOBODY, signal);
  expect({ mode, count: hits.length }).toEqual({ mode: 'lexical', count: 1 });
  const dense = { collection: name, query: 'winter', mode: 'dense' } as const;
  await expect(search.search(dense, NOBODY, signal)).rejects.toBe(away);
});

test('meaning cannot be asked for where there is none', async () => {
  const { name } = await bundle.collection(DOCUMENTS);
  await expect(found(name, 'x', { mode: 'dense' })).rejects.toMatchObject({
    code: 'invalid_request',
    param: 'mode',
    message: expect.stringContaining('has no embedding model'),
  });
});

test('what is not published, or gone, is not found, however much of it the index holds', async () => {
  const hidden = Array.from({ length: 40 }, (_, number) => ({
    id: `hidden${number}`,
    texts: ['night night night'],
    isActive: false,
  }));
  const { name } = await bundle.collection([...hidden, ...DOCUMENTS]);
  expect((await found(name, 'night', { top_k: 2 })).sort()).toEqual(['foxes', 'owls']);
});

test('a filter lets through only documents whose metadata fit', async () => {
  const { name } = await bundle.collection(DOCUMENTS, { embeddingModel: 'words' });
  const filtered = async (filter: object) =>
    [...new Set(await found(name, 'sleep', { filter }))].sort().join(' ');

  expect(await filtered({ year: 2024 })).toBe('bears');
  expect(await filtered({ tags: 'a' })).toBe('bears foxes');
  expect(await filtered({ tags: { $in: ['b', 'c'] } })).toBe('bears');
  expect(await filtered({ tags: { $nin: ['b'] } })).toBe('foxes owls');
  expect(await filtered({ draft: { $ne: true } })).toBe('foxes owls');
  expect(await filtered({ year: { $gte: 2020, $lt: 2024 } })).toBe('foxes');
  expect(await filtered({ year: { $gt: 'a' } })).toBe('owls');
  expect(await filtered({ year: { $gt: 0 }, draft: true })).toBe('bears');
  expect(await filtered({ year: 1 })).toBe('');
  expect(await filtered({ "it's; --": { $eq: 'x\u0000' } })).toBe('');
});

test('a filter that is none is refused with its place', async () => {
  const { name } = await bundle.collection([]);
  const refused = (filter: unknown) =>
    found(name, 'x', { filter }).catch(({ code, param }) => ({ code, param }));

  expect(await refused([])).toEqual({ code: 'invalid_request', param: 'filter' });
  expect(await refused({ $or: [] })).toEqual({ code: 'invalid_request', param: 'filter.$or' });
  expect(await refused({ year: { $regex: 'x' } })).toMatchObject({ param: 'filter.year.$regex' });
  expect(await refused({ year: { $in: 1 } })).toMatchObject({ param: 'filter.year.$in' });
  expect(await refused({ year: { $gt: true } })).toMatchObject({ param: 'filter.year.$gt' });
  expect(await refused({ year: [1] })).toMatchObject({ param: 'filter.year' });
  expect(await refused({ year: {} })).toMatchObject({ param: 'filter.year' });
  expect(await refused({ year: { constructor: 1 } })).toMatchObject({ param: 'filter.year.constructor' });
});

test('a score below min_score is not shown', async () => {
  const { name } = await bundle.collection(DOCUMENTS);
  const { hits } = await bundle.search.search({ collection: name, query: 'night' }, NOBODY, signal);
  const [best, next] = hits;
  expect(await found(name, 'night', { min_score: best?.score })).toEqual([best?.externalId]);
  expect(next?.score).toBeLessThan(best?.score ?? 0);
});

test("a collection is its owner's, and everybody's once it is shared", async () => {
  const own = await bundle.collection(DOCUMENTS, { owner: 'ann' });
  const shared = await bundle.collection(DOCUMENTS, { owner: 'ann', isShared: true });
  const ask = (name: string, keyName: string, seesAll = false) =>
    bundle.search.search({ collection: name, query: 'night' }, { keyName, weight: 1, seesAll }, signal);

  await expect(ask(own.name, 'bob')).rejects.toMatchObject({ code: 'not_found' });
  await expect(ask('no such', 'bob')).rejects.toMatchObject({ code: 'not_found' });
  expect((await ask(own.name, 'ann')).hits).toHaveLength(2);
  expect((await ask(own.name, 'root', true)).hits).toHaveLength(2);
  expect((await ask(shared.name, 'bob')).hits).toHaveLength(2);
});
