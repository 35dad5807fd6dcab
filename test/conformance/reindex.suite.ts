import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import type { SqlPool } from '../../core/sql-pool.ts';
import { migrate } from '../../storage/migrate.ts';
import { ingestBundle, PARAGRAPH } from './ingest-bundle.ts';

type Open = () => Promise<{ pool: SqlPool; close(): Promise<unknown> }>;

/** What becomes of documents when another index is built beside the one that is searched. */
export function reindexSuite(open: Open, { hasVectors }: { hasVectors: boolean }): void {
  const modelOf = (name: string) => (hasVectors ? name : null);
  let bundle: Awaited<ReturnType<typeof ingestBundle>>;
  let close: () => Promise<unknown>;

  beforeAll(async () => {
    const opened = await open();
    close = opened.close;
    await migrate(opened.pool);
    bundle = await ingestBundle(opened.pool);
  }, 60_000);

  afterAll(() => close?.());

  beforeEach(() => {
    bundle.reads.isPatient = false;
  });

  test('another index is built beside the one that is searched, switched to at once, and back', async () => {
    const collection = await bundle.collection();
    await bundle.ingest(collection, [
      { externalId: 'a', text: `${PARAGRAPH}\n\n${PARAGRAPH}` },
      { externalId: 'b', text: 'short' },
    ]);
    await bundle.drain();
    const before = await bundle.visible(collection);

    await bundle.collections.build(collection.id, {
      embeddingModel: modelOf('m-build'),
      chunk: { tokens: 20, overlap: 0 },
    });
    await bundle.build();
    await bundle.ingest(collection, [{ externalId: 'b', text: 'short, changed meanwhile' }]);
    await bundle.drain();
    expect((await bundle.visible(collection)).lines.slice(0, -1)).toEqual(before.lines.slice(0, -1));
    await bundle.build();
    await bundle.drain();
    await bundle.build();

    const switched = await bundle.visible(collection);
    expect(switched.lines.length).toBeGreaterThan(before.lines.length);
    expect(switched.lines.at(-1)).toBe('b: short, changed meanwhile');
    expect(await bundle.collections.byId(collection.id)).toMatchObject({
      embeddingModel: modelOf('m-build'),
      chunk: { tokens: 20 },
    });

    await bundle.collections.rollback(collection.id);
    await bundle.build();
    await bundle.drain();
    await bundle.build();
    expect((await bundle.visible(collection)).lines).toEqual([
      ...before.lines.slice(0, -1),
      'b: short, changed meanwhile',
    ]);
  });

  /** Another index that could take one of two documents in, which are searched. */
  async function withBuildThatFails() {
    const collection = await bundle.collection();
    await bundle.ingest(collection, [
      { externalId: 'bad', text: 'TOO_WIDE for small chunks' },
      { externalId: 'good', text: 'wholesome' },
    ]);
    await bundle.drain();
    const before = await bundle.visible(collection);
    const settings = { embeddingModel: null, chunk: { tokens: 20, overlap: 0 } };
    const version = await bundle.collections.build(collection.id, settings);
    await bundle.build();
    await bundle.drain();
    await bundle.build();
    const view = async () => {
      const documents = await bundle.documents.list(collection.id, { limit: 10, after: null });
      return new Map(documents.map((document) => [document.externalId, document]));
    };
    return { collection, version, before, view };
  }

  test('a document that another index cannot take in holds the switch up, and is named', async () => {
    const { collection, version, before, view } = await withBuildThatFails();

    expect(await bundle.visible(collection)).toEqual(before);
    expect(before.lines).toHaveLength(2);
    const bad = (await view()).get('bad');
    expect(bad).toMatchObject({ status: 'completed', isSearchable: true });
    expect(await bundle.collections.progress(version)).toEqual({
      ...{ ready: 1, failed: 1, total: 2 },
      failures: [
        {
          documentId: bad?.id,
          externalId: 'bad',
          reasonCode: 'timed_out',
          error: 'Too wide.',
        },
      ],
    });

    // What it cannot take in is replaced: then nothing holds it up.
    await bundle.ingest(collection, [{ externalId: 'bad', text: 'mended' }]);
    for (let rounds = 0; rounds < 3; rounds++) {
      await bundle.drain();
      await bundle.build();
    }
    expect((await bundle.visible(collection)).lines).toEqual(['bad: mended', 'good: wholesome']);
    expect((await bundle.collections.byId(collection.id))?.activeVersion).toBe(version.id);
  });

  test('a switch without what failed leaves it as a failed document, which comes back with the next index that takes it', async () => {
    const { collection, version, before, view } = await withBuildThatFails();
    expect(await bundle.builds.switchWithoutFailed(version)).toBe(true);
    expect(await bundle.builds.switchWithoutFailed(version)).toBe(false);

    expect((await bundle.visible(collection)).lines).toEqual(['good: wholesome']);
    expect((await view()).get('bad')).toMatchObject({
      ...{ status: 'failed', stage: 'parse', reasonCode: 'timed_out', isSearchable: false, chunks: 0 },
      error: 'Too wide.',
    });
    expect(await bundle.collections.counts(collection.id)).toEqual({ documents: 1, chunks: 1 });

    await bundle.collections.rollback(collection.id);
    await bundle.build();
    expect((await bundle.visible(collection)).lines).toEqual(before.lines);
    expect((await view()).get('bad')).toMatchObject({
      status: 'completed',
      reasonCode: null,
      isSearchable: true,
    });

    await bundle.collections.rollback(collection.id);
    await bundle.build();
    expect(await bundle.builds.switchWithoutFailed(version)).toBe(true);
    const { chunk } = collection;
    await bundle.collections.build(collection.id, { embeddingModel: null, chunk });
    await bundle.build();
    await bundle.drain();
    await bundle.build();
    expect((await bundle.visible(collection)).lines).toEqual(before.lines);
  });

  test('a document that failed in the index that is searched is taken in when it is sent again as it is', async () => {
    const { collection, version, view } = await withBuildThatFails();
    await bundle.builds.switchWithoutFailed(version);
    bundle.reads.isPatient = true;
    const job = await bundle.ingest(collection, [{ externalId: 'bad', text: 'TOO_WIDE for small chunks' }]);
    await bundle.drain();

    expect(await bundle.items(job)).toMatchObject([{ status: 'completed' }]);
    expect((await view()).get('bad')).toMatchObject({
      status: 'completed',
      reasonCode: null,
      isSearchable: true,
    });
  });

  test('an index that has not tried all documents is not switched to, asked or not', async () => {
    const collection = await bundle.collection();
    await bundle.ingest(collection, [{ externalId: 'a', text: 'one' }]);
    await bundle.drain();
    const settings = { embeddingModel: null, chunk: { tokens: 20, overlap: 0 } };
    const version = await bundle.collections.build(collection.id, settings);
    expect(await bundle.builds.switchWithoutFailed(version)).toBe(false);
    await bundle.build();
    expect(await bundle.builds.switchWithoutFailed(version)).toBe(false);
    await bundle.drain();
    expect(await bundle.builds.switchWithoutFailed(version)).toBe(true);
  });

  test('the index store is told which index is searched: by the first documents, and by a switch', async () => {
    const collection = await bundle.collection();
    const told = () => bundle.activated.filter((line) => line.startsWith(collection.id));
    await bundle.ingest(collection, [{ externalId: 'a', text: PARAGRAPH }]);
    await bundle.drain();
    const first = `${collection.id}: ${collection.activeVersion}`;
    expect(told()).toEqual([first]);

    const { id } = await bundle.collections.build(collection.id, {
      embeddingModel: null,
      chunk: { tokens: 20, overlap: 0 },
    });
    await bundle.build();
    await bundle.drain();
    expect(told()).toEqual([first]);
    await bundle.build();
    expect(told()).toEqual([first, `${collection.id}: ${id}`]);
  });
}
