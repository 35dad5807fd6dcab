import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { AppError } from '../../core/errors.ts';
import type { SqlPool } from '../../core/sql-pool.ts';
import { migrate } from '../../storage/migrate.ts';
import { waitFor } from '../support/wait-for.ts';
import { ingestBundle, PARAGRAPH } from './ingest-bundle.ts';

type Open = () => Promise<{ pool: SqlPool; close(): Promise<unknown> }>;

/** What ingest promises, on every store; a Postgres may be without vectors. */
export function ingestSuite(open: Open, { hasVectors }: { hasVectors: boolean }): void {
  const vectorTest = hasVectors ? test : () => {};
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

  test('documents of one batch are searched, each with its chunks', async () => {
    const collection = await bundle.collection();
    const job = await bundle.ingest(collection, [
      { externalId: 'a', text: 'alpha one' },
      { externalId: 'b', text: 'beta two', title: 'B', metadata: { year: 2020 } },
    ]);
    await bundle.drain();

    expect(await bundle.visible(collection)).toEqual({
      lines: ['a: alpha one', 'b: beta two'],
      isIndexed: true,
    });
    expect(
      (await bundle.items(job)).map(({ externalId, status, chunksTotal, chunksIndexed, seq }) => ({
        externalId,
        status,
        chunksTotal,
        chunksIndexed,
        seq,
      })),
    ).toEqual([
      { externalId: 'a', status: 'completed', chunksTotal: 1, chunksIndexed: 1, seq: 1 },
      { externalId: 'b', status: 'completed', chunksTotal: 1, chunksIndexed: 1, seq: 2 },
    ]);
    expect(await bundle.service.job(job)).toMatchObject({
      lastSeq: 3,
      endedAt: expect.any(Date),
      counts: { in_progress: 0, completed: 2, failed: 0, cancelled: 0, unchanged: 0 },
    });
  });

  test('of one external id in a batch the last counts, and the earlier one says so', async () => {
    const collection = await bundle.collection();
    const job = await bundle.ingest(collection, [
      { externalId: 'a', text: 'first' },
      { externalId: 'a', text: 'second' },
    ]);
    await bundle.drain();

    expect((await bundle.items(job)).map(({ status, reasonCode }) => [status, reasonCode])).toEqual([
      ['cancelled', 'superseded'],
      ['completed', null],
    ]);
    expect((await bundle.visible(collection)).lines).toEqual(['a: second']);
  });

  test('what is sent again as it is needs no work; with other metadata it does', async () => {
    const collection = await bundle.collection();
    await bundle.ingest(collection, [{ externalId: 'a', text: 'same' }]);
    await bundle.drain();

    const again = await bundle.ingest(collection, [{ externalId: 'a', text: 'same' }]);
    const other = await bundle.ingest(collection, [{ externalId: 'a', text: 'same', metadata: { n: 1 } }]);

    expect(await bundle.items(again)).toMatchObject([{ status: 'unchanged' }]);
    expect(await bundle.service.job(again)).toMatchObject({ endedAt: expect.any(Date), lastSeq: 2 });
    expect(await bundle.items(other)).toMatchObject([{ status: 'in_progress' }]);
  });

  test('a new content replaces the old one at once, and its points go with the sweep', async () => {
    const collection = await bundle.collection();
    await bundle.ingest(collection, [{ externalId: 'a', text: 'old text\n\nkept text' }]);
    await bundle.drain();
    await bundle.ingest(collection, [{ externalId: 'a', text: 'new text entirely' }]);
    expect((await bundle.visible(collection)).lines).toEqual(['a: old text\n\nkept text']);
    await bundle.drain();
    expect((await bundle.visible(collection)).lines).toEqual(['a: new text entirely']);

    await bundle.sweep();

    expect((await bundle.visible(collection)).isIndexed).toBe(true);
  });

  test('of two contents on their way the later wins, whichever ends first', async () => {
    const collection = await bundle.collection();
    const earlier = await bundle.ingest(collection, [{ externalId: 'a', text: 'earlier' }]);
    const later = await bundle.ingest(collection, [{ externalId: 'a', text: 'later' }]);
    const claims = await bundle.work.claim('worker', 1);
    await bundle.turn();
    expect(claims).toHaveLength(1);

    expect(await bundle.items(earlier)).toMatchObject([{ status: 'cancelled', reasonCode: 'superseded' }]);
    expect(await bundle.items(later)).toMatchObject([{ status: 'completed' }]);
    expect((await bundle.visible(collection)).lines).toEqual(['a: later']);
  });

  test('a document without text fails with the reason, and what was there before stays', async () => {
    const collection = await bundle.collection();
    await bundle.ingest(collection, [{ externalId: 'a', text: 'something' }]);
    await bundle.drain();
    const job = await bundle.ingest(collection, [{ externalId: 'a', text: ' \n ' }]);
    await bundle.drain();

    expect(await bundle.items(job)).toMatchObject([{ status: 'failed', reasonCode: 'no_extractable_text' }]);
    expect((await bundle.visible(collection)).lines).toEqual(['a: something']);
  });

  vectorTest('each text is paid for once, also when it stands in several documents', async () => {
    const collection = await bundle.collection({ embeddingModel: 'm-once' });
    bundle.embedder.paid.length = 0;
    await bundle.ingest(collection, [
      { externalId: 'a', text: 'shared words' },
      { externalId: 'b', text: 'shared words' },
      { externalId: 'c', text: 'own words' },
    ]);
    await bundle.drain();
    await bundle.ingest(collection, [{ externalId: 'd', text: 'own words' }]);
    await bundle.drain();

    expect([...bundle.embedder.paid].sort()).toEqual(['own words', 'shared words']);
    expect((await bundle.visible(collection)).isIndexed).toBe(true);
  });

  vectorTest('a text that the model rejects fails its document alone', async () => {
    const collection = await bundle.collection({ embeddingModel: 'm-poison' });
    const job = await bundle.ingest(collection, [
      { externalId: 'a', text: 'fine' },
      { externalId: 'b', text: `${PARAGRAPH} ${PARAGRAPH}\n\nPOISON` },
      { externalId: 'c', text: 'fine too' },
    ]);
    await bundle.drain();

    const items = await bundle.items(job);
    expect(items.map(({ status, reasonCode }) => [status, reasonCode])).toEqual([
      ['completed', null],
      ['failed', 'embedding_rejected'],
      ['completed', null],
    ]);
    expect(items[1]?.error).toMatch(/chunk \d+: too poisonous/);
  });

  vectorTest('a server that is away makes documents wait, say so, and go on', async () => {
    const collection = await bundle.collection({ embeddingModel: 'm-away' });
    bundle.embedder.fails.push(new AppError('no_healthy_server', 'away'));
    const job = await bundle.ingest(collection, [{ externalId: 'a', text: 'patience' }]);
    await bundle.drain();
    expect(await bundle.items(job)).toMatchObject([
      { status: 'in_progress', stage: 'embed', waitingOn: 'embedder_down', error: 'away' },
    ]);
    const document = async () => (await bundle.documents.list(collection.id, { limit: 1, after: null }))[0];
    expect(await document()).toMatchObject({ waitingOn: 'embedder_down', error: 'away' });

    const isTakenIn = async () => {
      await bundle.drain();
      return (await bundle.items(job))[0]?.status !== 'in_progress';
    };
    await waitFor(isTakenIn, 'it went on');

    expect(await bundle.items(job)).toMatchObject([{ status: 'completed', error: null }]);
    expect(await document()).toMatchObject({ status: 'completed', waitingOn: null, error: null });
  });

  test('a large document goes on at the page where its worker was lost', async () => {
    const collection = await bundle.collection({ embeddingModel: modelOf('m-pages') });
    const pages = Array.from({ length: 45 }, (_, index) => `Page ${index}. ${PARAGRAPH}`);
    const text = pages.join('\f');
    await bundle.ingest(collection, [{ externalId: 'big', text }]);
    const writeChunks = bundle.work.writeChunks;
    let writes = 0;
    const dying = {
      ...bundle.work,
      async writeChunks(cuts: Parameters<typeof writeChunks>[0]) {
        if (++writes === 2) return [];
        return await writeChunks(cuts);
      },
    };
    const { takeTurn } = await import('../../rag/ingest-turn.ts');
    await takeTurn(
      { ...bundle.deps, work: dying },
      await bundle.work.claim('dead', 1),
      new AbortController().signal,
    );
    await bundle.work.lapseAll();
    bundle.embedder.paid.length = 0;
    await bundle.drain();

    const { lines, isIndexed } = await bundle.visible(collection);
    expect(lines).toEqual(pages.map((page) => `big: ${page}`));
    expect(isIndexed).toBe(true);
    expect(new Set(bundle.embedder.paid).size).toBe(bundle.embedder.paid.length);
  });

  test('a write of a claim that was lost changes nothing', async () => {
    const collection = await bundle.collection();
    const job = await bundle.ingest(collection, [{ externalId: 'a', text: 'zombie' }]);
    const [old] = await bundle.work.claim('frozen', 1);
    await bundle.work.lapseAll();
    const [fresh] = await bundle.work.claim('other', 1);
    if (!old || !fresh) throw new Error('nothing was claimed');

    expect(await bundle.work.heartbeat([old])).toEqual([]);
    await bundle.work.fail([{ claim: old, reasonCode: 'late', error: 'late' }]);
    await bundle.work.publish([old]);

    expect(await bundle.items(job)).toMatchObject([{ status: 'in_progress' }]);
    expect(await bundle.work.heartbeat([fresh])).toHaveLength(1);
    await bundle.work.release([fresh], { on: null, reason: null, afterMs: 0, countsAsAttempt: false });
    await bundle.drain();
    expect(await bundle.items(job)).toMatchObject([{ status: 'completed' }]);
  });

  test('a cancelled job ends its open items, and what is searched stays', async () => {
    const collection = await bundle.collection();
    await bundle.ingest(collection, [{ externalId: 'a', text: 'before' }]);
    await bundle.drain();
    const job = await bundle.ingest(collection, [
      { externalId: 'a', text: 'after' },
      { externalId: 'b', text: 'new' },
    ]);
    await bundle.service.cancel(job);
    await bundle.drain();

    expect(await bundle.service.job(job)).toMatchObject({
      counts: { cancelled: 2 },
      endedAt: expect.any(Date),
    });
    expect((await bundle.visible(collection)).lines).toEqual(['a: before']);
  });

  test('a deleted document is gone at commit, and from the index with the sweep', async () => {
    const collection = await bundle.collection();
    await bundle.ingest(collection, [
      { externalId: 'a', text: 'doomed' },
      { externalId: 'b', text: 'stays' },
    ]);
    await bundle.drain();
    const [doomed] = (await bundle.documents.list(collection.id, { limit: 10, after: null })).filter(
      ({ externalId }) => externalId === 'a',
    );
    expect(await bundle.documents.remove(collection.id, doomed?.id ?? '')).toBe(true);
    expect((await bundle.visible(collection)).lines).toEqual(['b: stays']);
    await bundle.sweep();
    expect((await bundle.visible(collection)).isIndexed).toBe(true);
  });

  test('a deleted collection ends what is on its way, and leaves nothing behind', async () => {
    const collection = await bundle.collection();
    await bundle.ingest(collection, [{ externalId: 'a', text: 'published' }]);
    await bundle.drain();
    const job = await bundle.ingest(collection, [{ externalId: 'b', text: 'on its way' }]);
    expect(await bundle.collections.remove(collection.id)).toBe(true);
    expect(await bundle.items(job)).toMatchObject([
      { status: 'cancelled', reasonCode: 'collection_deleted' },
    ]);
    await bundle.sweep();

    const { rows } = await bundle.pool.query(
      `SELECT (SELECT count(*) FROM citadel.document WHERE collection_id = $1)
        + (SELECT count(*) FROM citadel.generation WHERE collection_id = $1)
        + (SELECT count(*) FROM citadel.index_version WHERE collection_id = $1) AS count`,
      [collection.id],
    );
    expect(Number((rows[0] as { count: string }).count)).toBe(0);
  });

  test('a file is in the blob store until no content needs it', async () => {
    const collection = await bundle.collection();
    const text = `${PARAGRAPH}\n\n`.repeat(4_000);
    await bundle.ingest(collection, [{ externalId: 'a', text }]);
    expect(bundle.blobs.kept.size).toBe(1);
    await bundle.collections.remove(collection.id);
    await bundle.pool.query(`UPDATE citadel.blob_outbox SET created_at = now() - interval '1 hour'`);
    await bundle.sweep();
    expect(bundle.blobs.kept.size).toBe(0);
  });

  test('an Idempotency-Key starts its job once, and refuses another body', async () => {
    const collection = await bundle.collection();
    const request = {
      collectionId: collection.id,
      owner: '',
      weight: 1,
      webhook: null,
      documents: [
        {
          externalId: 'a',
          title: null,
          source: null,
          fileName: null,
          mediaType: null,
          metadata: {},
          content: { text: 'x' },
        },
      ],
    };
    const idempotency = { key: `key-${collection.id}`, bodyHash: 'one' };
    const first = await bundle.service.accept({ ...request, idempotency });
    expect(await bundle.service.accept({ ...request, idempotency })).toEqual({
      id: first.id,
      isReplayed: true,
    });
    await expect(
      bundle.service.accept({ ...request, idempotency: { ...idempotency, bodyHash: 'two' } }),
    ).rejects.toMatchObject({
      code: 'idempotency_mismatch',
    });
  });
}
