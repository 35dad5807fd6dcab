import { createHash, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { BlobStore } from '../../rag/blob-store.ts';

export interface BlobStoreFixture {
  store: BlobStore;
  /** How many files or rows there are, whole or not. */
  count(): Promise<number>;
  close(): Promise<void>;
}

const START_LIMIT_MS = 60_000;
const MAX_BYTES = 2_000_000;

/** What every store of blobs guarantees. */
export function blobStoreSuite(start: () => Promise<BlobStoreFixture>): void {
  let fixture: BlobStoreFixture;

  beforeAll(async () => {
    fixture = await start();
  }, START_LIMIT_MS);
  afterAll(async () => {
    await fixture?.close();
  }, START_LIMIT_MS);

  const write = (...parts: Buffer[]) => fixture.store.write(Readable.from(parts), MAX_BYTES);
  const read = async (sha256: string) => {
    const stream = await fixture.store.read(sha256);
    return stream && (await buffer(stream));
  };

  test.each([0, 1, 262_144, 262_145, 1_000_000])('%d bytes are given back as they came', async (size) => {
    const bytes = randomBytes(size);
    const middle = Math.floor(size / 3);

    const blob = await write(bytes.subarray(0, middle), bytes.subarray(middle));

    expect(blob).toEqual({ sha256: createHash('sha256').update(bytes).digest('hex'), bytes: size });
    expect((await read(blob.sha256))?.equals(bytes)).toBe(true);
  });

  test('the same bytes twice, at once too, are one blob', async () => {
    const bytes = randomBytes(300_000);
    const before = await fixture.count();

    const [first, second] = await Promise.all([write(bytes), write(bytes)]);
    const once = await fixture.count();
    await write(bytes);

    expect(first).toEqual(second);
    expect(once).toBeGreaterThan(before);
    expect(await fixture.count()).toBe(once);
    expect((await read(first.sha256))?.equals(bytes)).toBe(true);
  });

  test('what is too large, or breaks off, leaves nothing behind', async () => {
    const before = await fixture.count();
    const broken = Readable.from(
      (async function* () {
        yield randomBytes(500_000);
        throw new Error('the client has left');
      })(),
    );

    await expect(write(randomBytes(MAX_BYTES), randomBytes(1))).rejects.toMatchObject({
      code: 'payload_too_large',
    });
    await expect(fixture.store.write(broken, MAX_BYTES)).rejects.toThrow('the client has left');

    expect(await fixture.count()).toBe(before);
  });

  test('a blob that was removed is gone, and what was never there too', async () => {
    const before = await fixture.count();
    const { sha256 } = await write(randomBytes(300_000));

    await fixture.store.remove(sha256);
    await fixture.store.remove(sha256);

    expect(await read(sha256)).toBeNull();
    expect(await read('../../etc/passwd')).toBeNull();
    expect(await fixture.count()).toBe(before);
  });

  test('those that are old enough are listed in order, page by page', async () => {
    const written = await Promise.all(Array.from({ length: 5 }, () => write(randomBytes(10))));
    const names: string[] = [];

    for (let after: string | null = null; ; ) {
      const page = await fixture.store.olderThan(-1_000, after, 2);
      names.push(...page);
      after = page.at(-1) ?? null;
      if (page.length < 2) break;
    }

    expect(names).toEqual([...new Set(names)].sort());
    expect(names).toEqual(expect.arrayContaining(written.map(({ sha256 }) => sha256)));
    expect(await fixture.store.olderThan(60_000, null, 10)).toEqual([]);
  });
}
