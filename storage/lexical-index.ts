// The words of an index version in Postgres (migration 007).
// L1: who writes an index holds its row of `search_index`, so that writers come one after the other.
// L2: a block's `points` and `lengths` are those of its rows in `search_point`; a posting whose point is gone is in `dead`.
import { createHash } from 'node:crypto';
import type { SqlPool, SqlQueryable } from '../core/sql-pool.ts';
import type { Hit, Point } from '../rag/vector-store.ts';
import { type Block, type BlockPostings, scoreBm25 } from './bm25.ts';
import {
  type BlockAddition,
  blockOf,
  deadPlaces,
  numberOf,
  packPlaces,
  packPostings,
  withoutDead,
} from './postings.ts';

/** A quarter of a block: then what is dead is taken out of its postings. */
const DEAD_BYTES_MAX = 2 * 1_024;
const HASH_BYTES = 8;

const LOCK = 'SELECT next_point FROM citadel.search_index WHERE number = $1 FOR UPDATE';

const FIND_KNOWN = `
  SELECT point_id, number, length, terms_hash
    FROM citadel.search_point WHERE index_number = $1 AND point_id = ANY($2::uuid[])`;

const PUT_POINTS = `
  INSERT INTO citadel.search_point (index_number, point_id, number, document_id, length, terms_hash)
  SELECT $1, p.* FROM unnest($2::uuid[], $3::int[], $4::text[], $5::int[], $6::bytea[]) AS p
  ON CONFLICT (index_number, point_id) DO UPDATE SET
    number = excluded.number, document_id = excluded.document_id, length = excluded.length,
    terms_hash = excluded.terms_hash`;

const APPEND = `
  INSERT INTO citadel.search_posting (index_number, block, term, postings)
  SELECT $1, $2, term, substring($6::bytea FROM start + 1 FOR size)
    FROM unnest($3::text[], $4::int[], $5::int[]) AS t(term, start, size)
  ON CONFLICT (index_number, block, term) DO UPDATE SET
    postings = search_posting.postings || excluded.postings`;

const COUNT_IN = `
  INSERT INTO citadel.search_block (index_number, block, points, lengths) VALUES ($1, $2, $3, $4)
  ON CONFLICT (index_number, block) DO UPDATE SET
    points = search_block.points + excluded.points, lengths = search_block.lengths + excluded.lengths`;

const COUNT_OUT = `
  UPDATE citadel.search_block SET points = points - $3, lengths = lengths - $4, dead = dead || $5
   WHERE index_number = $1 AND block = $2 RETURNING points, dead`;

const REMOVE = `
  DELETE FROM citadel.search_point WHERE index_number = $1 AND point_id = ANY($2::uuid[])
  RETURNING number, length`;

const REMOVE_BLOCK_POINTS = `
  DELETE FROM citadel.search_point WHERE index_number = $1 AND number >= $2 AND number < $3`;

const POSTINGS = 'SELECT term, postings FROM citadel.search_posting WHERE index_number = $1 AND block = $2';

const REWRITE = `
  UPDATE citadel.search_posting p SET postings = substring($6::bytea FROM start + 1 FOR size)
    FROM unnest($3::text[], $4::int[], $5::int[]) AS t(term, start, size)
   WHERE p.index_number = $1 AND p.block = $2 AND p.term = t.term`;

const REMOVE_TERMS = `
  DELETE FROM citadel.search_posting WHERE index_number = $1 AND block = $2 AND term = ANY($3)`;

const BLOCKS = 'SELECT block, points, lengths, dead FROM citadel.search_block WHERE index_number = $1';

const FIND_POSTINGS = `
  SELECT block, term, postings FROM citadel.search_posting
   WHERE index_number = $1 AND block = ANY($2::int[]) AND term = ANY($3)`;

interface KnownPoint {
  point_id: string;
  number: number;
  length: number;
  terms_hash: Buffer;
}

interface Gone {
  number: number;
  length: number;
}

/** Writes the points' words, in the caller's transaction. What stands there already as it is, is left alone. */
export async function putTerms(tx: SqlQueryable, index: number, points: readonly Point[]): Promise<void> {
  const nextPoint = await lockIndex(tx, index);
  const { rows } = await tx.query<KnownPoint>(FIND_KNOWN, [index, points.map(({ id }) => id)]);
  const known = new Map(rows.map((row) => [row.point_id, row]));
  const fresh = points
    .map((point) => ({ point, hash: hashTerms(point.terms), length: lengthOf(point.terms) }))
    .filter(({ point, hash }) => !known.get(point.id)?.terms_hash.equals(hash))
    .map((entry, position) => ({ ...entry, number: nextPoint + position }));
  if (fresh.length === 0) return;
  await bury(
    tx,
    index,
    fresh.flatMap(({ point }) => known.get(point.id) ?? []),
  );
  await tx.query(PUT_POINTS, [
    index,
    fresh.map(({ point }) => point.id),
    fresh.map(({ number }) => number),
    fresh.map(({ point }) => point.documentId),
    fresh.map(({ length }) => length),
    fresh.map(({ hash }) => hash),
  ]);
  const numbered = fresh.map(({ point, number, length }) => ({ number, terms: point.terms, length }));
  for (const addition of packPostings(numbered)) {
    await tx.query(COUNT_IN, [index, addition.block, addition.points, addition.lengths]);
    await tx.query(APPEND, [index, ...toParams(addition)]);
  }
  await tx.query('UPDATE citadel.search_index SET next_point = $2 WHERE number = $1', [
    index,
    nextPoint + fresh.length,
  ]);
}

/** Takes the points out, in the caller's transaction. */
export async function removeTerms(tx: SqlQueryable, index: number, ids: readonly string[]): Promise<void> {
  await lockIndex(tx, index);
  const { rows } = await tx.query<Gone>(REMOVE, [index, ids]);
  await bury(tx, index, rows);
}

/** Takes all of an index out, block by block: it may be more than one statement's time. */
export async function dropTerms(pool: SqlPool, index: number): Promise<void> {
  const blocks = await readBlocks(pool, index);
  for (const { block } of blocks) {
    await pool.transaction(async (tx) => {
      await tx.query(REMOVE_BLOCK_POINTS, [index, numberOf(block, 0), numberOf(block + 1, 0)]);
      await dropBlock(tx, index, block);
    });
  }
}

export interface TermQuery {
  terms: readonly string[];
  limit: number;
  documentIds: readonly string[] | null;
}

/** The best points by their words. */
export async function searchTerms(db: SqlQueryable, index: number, query: TermQuery): Promise<Hit[]> {
  const allowing = query.documentIds && findAllowed(db, index, query.documentIds);
  const blocks = await readBlocks(db, index);
  const [allowed, { rows }] = await Promise.all([
    allowing,
    db.query<BlockPostings>(FIND_POSTINGS, [
      index,
      blocks.map(({ block }) => block),
      [...new Set(query.terms)],
    ]),
  ]);
  const best = scoreBm25(blocks, rows, { ...query, allowed: allowed ?? null });
  return await toHits(db, index, best);
}

async function toHits(
  db: SqlQueryable,
  index: number,
  best: readonly { number: number; score: number }[],
): Promise<Hit[]> {
  if (best.length === 0) return [];
  const { rows } = await db.query<{ point_id: string; number: number }>(
    'SELECT point_id, number FROM citadel.search_point WHERE index_number = $1 AND number = ANY($2::int[])',
    [index, best.map(({ number }) => number)],
  );
  const ids = new Map(rows.map((row) => [row.number, row.point_id]));
  // Who is gone since the blocks were read has no row.
  return best.flatMap(({ number, score }) => {
    const id = ids.get(number);
    return id === undefined ? [] : [{ id, score }];
  });
}

async function readBlocks(db: SqlQueryable, index: number): Promise<Block[]> {
  const { rows } = await db.query<Omit<Block, 'lengths'> & { lengths: unknown }>(BLOCKS, [index]);
  return rows.map((row) => ({ ...row, lengths: Number(row.lengths) }));
}

async function findAllowed(
  db: SqlQueryable,
  index: number,
  documentIds: readonly string[],
): Promise<Set<number>> {
  const { rows } = await db.query<{ number: number }>(
    'SELECT number FROM citadel.search_point WHERE index_number = $1 AND document_id = ANY($2)',
    [index, documentIds],
  );
  return new Set(rows.map(({ number }) => number));
}

async function lockIndex(tx: SqlQueryable, index: number): Promise<number> {
  const { rows } = await tx.query<{ next_point: number }>(LOCK, [index]);
  const [row] = rows;
  if (!row) throw new Error('The search index was dropped while it was written to.');
  return row.next_point;
}

/** Points whose postings stay where they are, for now. */
async function bury(tx: SqlQueryable, index: number, gone: readonly Gone[]): Promise<void> {
  const byBlock = Map.groupBy(gone, ({ number }) => blockOf(number));
  for (const [block, members] of byBlock) {
    const lengths = members.reduce((total, { length }) => total + length, 0);
    const list = packPlaces(members.map(({ number }) => number));
    const { rows } = await tx.query<{ points: number; dead: Buffer }>(COUNT_OUT, [
      ...[index, block, members.length, lengths, list],
    ]);
    const [left] = rows;
    if (left?.points === 0) await dropBlock(tx, index, block);
    else if (left && left.dead.length > DEAD_BYTES_MAX) await cleanBlock(tx, index, block, left.dead);
  }
}

async function dropBlock(tx: SqlQueryable, index: number, block: number): Promise<void> {
  for (const table of ['search_posting', 'search_block']) {
    await tx.query(`DELETE FROM citadel.${table} WHERE index_number = $1 AND block = $2`, [index, block]);
  }
}

async function cleanBlock(tx: SqlQueryable, index: number, block: number, list: Buffer): Promise<void> {
  const dead = deadPlaces(list);
  if (dead === null) return;
  const { rows } = await tx.query<{ term: string; postings: Buffer }>(POSTINGS, [index, block]);
  const empty: string[] = [];
  const kept: { term: string; postings: Buffer }[] = [];
  for (const { term, postings } of rows) {
    const left = withoutDead(postings, dead);
    if (left === null) empty.push(term);
    else if (left.length < postings.length) kept.push({ term, postings: left });
  }
  await tx.query(REMOVE_TERMS, [index, block, empty]);
  await tx.query(REWRITE, [index, ...toParams({ block, ...joinPostings(kept) })]);
  await tx.query(`UPDATE citadel.search_block SET dead = '' WHERE index_number = $1 AND block = $2`, [
    index,
    block,
  ]);
}

type Packed = Pick<BlockAddition, 'terms' | 'starts' | 'sizes' | 'bytes'>;

function joinPostings(rows: readonly { term: string; postings: Buffer }[]): Packed {
  const packed: Omit<Packed, 'bytes'> = { terms: [], starts: [], sizes: [] };
  let start = 0;
  for (const { term, postings } of rows) {
    packed.terms.push(term);
    packed.starts.push(start);
    packed.sizes.push(postings.length);
    start += postings.length;
  }
  return { ...packed, bytes: Buffer.concat(rows.map(({ postings }) => postings)) };
}

function toParams({ block, terms, starts, sizes, bytes }: Packed & { block: number }): unknown[] {
  return [block, terms, starts, sizes, bytes];
}

function lengthOf(terms: ReadonlyMap<string, number>): number {
  let length = 0;
  for (const count of terms.values()) length += count;
  return length;
}

function hashTerms(terms: ReadonlyMap<string, number>): Buffer {
  const lines = Array.from(terms, ([term, count]) => `${term} ${count}`).sort();
  return createHash('sha256').update(lines.join('\n')).digest().subarray(0, HASH_BYTES);
}
