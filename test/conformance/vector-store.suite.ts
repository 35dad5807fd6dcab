import { createHash } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { fuseRanks, RANK_CONSTANT } from '../../rag/fusion.ts';
import { countTerms, textTerms } from '../../rag/text-terms.ts';
import type { Hit, Point, VectorIndex, VectorQuery, VectorStore } from '../../rag/vector-store.ts';

const START_LIMIT_MS = 60_000;

export interface VectorStoreFixture {
  store: VectorStore;
  /** Another object on the same data, as another process has one. */
  another(): Promise<VectorStore>;
  close(): Promise<void>;
}

/**
 * What every index has to keep to: its lists are right however often, and in what order, points came and went. Where the
 * store has no vectors, all that is asked by words.
 */
export function vectorStoreSuite(
  start: () => Promise<VectorStoreFixture>,
  { hasVectors = true }: { hasVectors?: boolean } = {},
): void {
  const testVectors = hasVectors ? test : () => {};
  const dimensions = hasVectors ? 3 : null;
  let fixture: VectorStoreFixture;
  let store: VectorStore;
  let index: VectorIndex;
  let made = 0;

  beforeAll(async () => {
    fixture = await start();
    ({ store } = fixture);
  }, START_LIMIT_MS);

  afterAll(async () => {
    await fixture?.close();
  }, START_LIMIT_MS);

  beforeEach(async () => {
    made += 1;
    index = { id: `ver_${process.pid}x${made}x${Date.now()}`, dimensions };
    await store.ensure(index);
  });

  const search = (query: Partial<VectorQuery>) =>
    store.search(index, { terms: null, vector: null, limit: 10, documentIds: null, ...query });
  const byWords = async (question: string, query: Partial<VectorQuery> = {}) =>
    (await search({ terms: textTerms(question), ...query })).lexical;

  test('a question finds the points that hold its words, the rarer word and the shorter text first', async () => {
    const fox = point('fox', 'the quick brown fox');
    const long = point('long', 'brown bears sleep in winter and eat berries all summer long');
    const short = point('short', 'brown bears');
    await store.upsert(index, [fox, long, short]);

    expect(await idsOf(byWords('brown foxes'))).toEqual([fox.id, short.id, long.id]);
    expect(await idsOf(byWords('nothing of it'))).toEqual([]);
  });

  test('scores by words are BM25 with the true number, frequencies and average length', async () => {
    const first = point('a', 'red red green');
    const second = point('b', 'green blue blue blue blue');
    await store.upsert(index, [first, second]);

    const [hit] = await byWords('red');
    expect(hit?.id).toBe(first.id);
    // ln(1 + (2 - 1 + 0.5) / (1 + 0.5)) * 2 / (2 + 1.2 * (1 - 0.75 + 0.75 * 3 / 4))
    expect(hit?.score).toBeCloseTo((Math.log(2) * 2) / (2 + 1.2 * (0.25 + (0.75 * 3) / 4)), 3);
  });

  test('writing the same point again changes no score', async () => {
    const points = [point('a', 'red green'), point('b', 'red blue blue')];
    await store.upsert(index, points);
    const before = await byWords('red blue');
    await store.upsert(index, points);
    await (await fixture.another()).upsert(index, [...points, ...points]);

    expect(rounded(await byWords('red blue'))).toEqual(rounded(before));
    expect(await store.ids(index, null, 10)).toHaveLength(2);
  });

  test('a point that is written with other words is found by those alone', async () => {
    await store.upsert(index, [point('a', 'old title here'), point('b', 'something else')]);
    await store.upsert(index, [{ ...point('a', 'new title here') }]);

    expect(await byWords('old')).toEqual([]);
    expect(await idsOf(byWords('new'))).toEqual([pointId('a')]);
    expect(await store.ids(index, null, 10)).toHaveLength(2);
  });

  test('a point that was removed is found no more and weighs on no score', async () => {
    const kept = [point('a', 'red green'), point('b', 'blue green green')];
    await store.upsert(index, kept);
    const before = await byWords('red green');
    const gone = Array.from({ length: 20 }, (_, number) => point(`gone${number}`, 'red red red red red'));
    await store.upsert(index, gone);
    const ids = gone.map(({ id }) => id);
    await store.remove(index, ids);
    await store.remove(index, [...ids, pointId('never there')]);

    expect(rounded(await byWords('red green'))).toEqual(rounded(before));
    if (hasVectors) expect((await search({ vector: vector(1, 0, 0), limit: 30 })).dense).toHaveLength(2);
    expect((await store.ids(index, null, 30)).sort()).toEqual(kept.map(({ id }) => id).sort());
  });

  testVectors('a question by meaning finds the nearest by their cosine, whatever their length', async () => {
    const near = point('near', 'x', { vector: vector(10, 1, 0) });
    const far = point('far', 'y', { vector: vector(0, 0.1, 0) });
    await store.upsert(index, [far, near]);

    const { dense, lexical } = await search({ vector: vector(0.5, 0, 0) });
    expect(dense.map(({ id }) => id)).toEqual([near.id, far.id]);
    expect(dense[0]?.score).toBeCloseTo(10 / Math.hypot(10, 1), 3);
    expect(dense[1]?.score).toBeCloseTo(0, 3);
    expect(lexical).toEqual([]);
  });

  testVectors('words and meaning come as two lists, each up to the limit', async () => {
    const points = Array.from({ length: 12 }, (_, number) =>
      point(`p${number}`, `shared word${number}`, { vector: vector(1, number / 10, 0) }),
    );
    await store.upsert(index, points);

    const { lexical, dense } = await search({
      terms: textTerms('shared'),
      vector: vector(1, 0, 0),
      limit: 5,
    });
    expect(lexical).toHaveLength(5);
    expect(dense.map(({ id }) => id)).toEqual(points.slice(0, 5).map(({ id }) => id));
  });

  testVectors(
    'a store that fuses both lists itself gives the order and scores that rag/fusion does',
    async () => {
      const points = Array.from({ length: 12 }, (_, number) =>
        point(`p${number}`, 'shared '.repeat(number + 1), { vector: vector(1, number / 10, 0) }),
      );
      await store.upsert(index, points);
      const asked = { terms: textTerms('shared'), vector: vector(1, 0, 0), limit: 20 };
      const { lexical, dense } = await search(asked);

      for (const weights of [
        { lexical: 1, dense: 1 },
        { lexical: 3, dense: 3 },
        { lexical: 1, dense: 4 },
      ]) {
        const found = await search({ ...asked, fusion: { rankConstant: RANK_CONSTANT, weights } });
        const fuse = (lists: Pick<typeof found, 'lexical' | 'dense'>) =>
          fuseRanks([
            { hits: lists.lexical, weight: weights.lexical },
            { hits: lists.dense, weight: weights.dense },
          ]);
        const scores = (hits: readonly Hit[]) => new Map(rounded(hits).map(({ id, score }) => [id, score]));
        expect(scores(found.fused ?? fuse(found))).toEqual(scores(fuse({ lexical, dense })));
      }
    },
  );

  testVectors('only points of the documents asked for are found, and all of them', async () => {
    const points = Array.from({ length: 30 }, (_, number) =>
      point(`p${number}`, 'shared', { documentId: `doc_${number % 10}`, vector: vector(1, number, 0) }),
    );
    await store.upsert(index, points);

    const documentIds = ['doc_3', 'doc_7', 'doc_unknown'];
    const wanted = points.filter(({ documentId }) => documentIds.includes(documentId)).map(({ id }) => id);
    const { lexical, dense } = await search({
      terms: ['share'],
      vector: vector(1, 0, 0),
      limit: 30,
      documentIds,
    });
    expect(lexical.map(({ id }) => id).sort()).toEqual([...wanted].sort());
    expect(dense.map(({ id }) => id).sort()).toEqual([...wanted].sort());
  });

  test('ids come in pages, each once', async () => {
    const points = Array.from({ length: 25 }, (_, number) => point(`p${number}`, 'x'));
    await store.upsert(index, points);

    const seen: string[] = [];
    for (let page = await store.ids(index, null, 10); page.length > 0; ) {
      seen.push(...page);
      page = await store.ids(index, page.at(-1) ?? null, 10);
    }
    expect(seen.length).toBe(25);
    expect([...seen].sort()).toEqual(points.map(({ id }) => id).sort());
  });

  test('indexes know nothing of each other, and one without vectors takes words', async () => {
    const words: VectorIndex = { id: `${index.id}w`, dimensions: null };
    await store.ensure(words);
    await store.upsert(words, [{ ...point('a', 'only here'), vector: null }]);
    await store.upsert(index, [point('a', 'elsewhere')]);

    expect(await byWords('only')).toEqual([]);
    const { lexical } = await store.search(words, {
      ...{ terms: ['onli'], vector: null, limit: 5, documentIds: null },
    });
    expect(lexical.map(({ id }) => id)).toEqual([pointId('a')]);
  });

  test('an index that was dropped is empty, is dropped again without harm, and can be made anew', async () => {
    const many = Array.from({ length: 300 }, (_, number) => point(`d${number}`, `red word${number}`));
    await store.upsert(index, many);
    await store.drop(index);
    await store.drop(index);

    expect(await byWords('red')).toEqual([]);
    expect(await store.ids(index, null, 10)).toEqual([]);
    await store.ensure(index);
    await store.upsert(index, [point('b', 'red')]);
    expect(await idsOf(byWords('red'))).toEqual([pointId('b')]);
  });

  test('two may write the same points at once, and make the same index', async () => {
    const other = await fixture.another();
    const points = Array.from({ length: 40 }, (_, number) => point(`p${number}`, `red word${number}`));
    const fresh: VectorIndex = { id: `${index.id}f`, dimensions };
    await Promise.all([store.ensure(fresh), other.ensure(fresh)]);
    await Promise.all([store.upsert(fresh, points), other.upsert(fresh, [...points].reverse())]);

    expect(await store.ids(fresh, null, 100)).toHaveLength(40);
    const { lexical } = await store.search(fresh, {
      ...{ terms: ['red'], vector: null, limit: 100, documentIds: null },
    });
    expect(new Set(lexical.map(({ id }) => id)).size).toBe(40);
    expect(lexical).toHaveLength(40);
  });
}

export function point(name: string, text: string, fields: Partial<Point> = {}): Point {
  return {
    id: pointId(name),
    documentId: 'doc_1',
    terms: countTerms([text]),
    vector: vector(1, 1, 1),
    ...fields,
  };
}

export function vector(...values: number[]): Float32Array {
  return Float32Array.from(values);
}

function pointId(name: string): string {
  const hex = createHash('sha1').update(name).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-5${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

async function idsOf(hits: Promise<{ id: string }[]>): Promise<string[]> {
  return (await hits).map(({ id }) => id);
}

function rounded(hits: readonly { id: string; score: number }[]) {
  return hits.map(({ id, score }) => ({ id, score: Number(score.toFixed(4)) }));
}
