import { AppError } from '../core/errors.ts';
import type { SqlPool } from '../core/sql-pool.ts';
import type { BlobStore } from '../rag/blob-store.ts';
import { migrate } from './migrate.ts';
import { findOrMakeExtension, hasPgvector } from './pgvector-store.ts';
import { type CopiedTable, copyTable, countRows, listTables, quoteTable } from './table-copy.ts';
import { vectorTable } from './vector-table.ts';

interface StoreMove {
  from: SqlPool;
  to: SqlPool;
  blobs: { from: BlobStore; to: BlobStore };
}

/** What each of the two has for itself. */
const OWN = ['migration', 'api_key_revision'];
/** Made with one row, a count of changes, in whose place the other's comes. */
const COUNTER = 'server_set';
/** Others refer to it. */
const FIRST = 'definition';
const VECTORS = /^vector_(\d+)(_sketch)?$/;
const BLOBS_PAGE = 500;

/**
 * Copies all that the schema `citadel` holds, and blobs, into a database whose schema holds nothing yet. Nobody else may use
 * either. Gives the rows by table. Throws AppError `conflict` when the target holds something, or has no pgvector for the vectors there are; what fails halfway leaves the target
 * as empty as it was.
 */
export async function moveStore({ from, to, blobs }: StoreMove): Promise<Record<string, number>> {
  await migrate(from);
  await migrate(to);
  const tables = (await listTables(from)).filter(({ name }) => !OWN.includes(name));
  tables.sort((a, b) => Number(b.name === FIRST) - Number(a.name === FIRST));
  await requireEmpty(to);
  try {
    const typeOf = await makeVectorTables(from, to, tables);
    const counts: Record<string, number> = {};
    await to.query(`DELETE FROM ${quoteTable(COUNTER)}`);
    for (const table of await thoseThere(to, tables)) {
      await copyTable(from, to, table, typeOf);
      counts[table.name] = await requireAll(from, to, table);
    }
    await to.query(RAISE_NUMBERS);
    counts.blobs = await copyBlobs(blobs);
    return counts;
  } catch (error) {
    await emptyAgain(to).catch(() => {});
    throw error;
  }
}

// The next index gets a number that none has.
const RAISE_NUMBERS = `
  SELECT setval(pg_get_serial_sequence('citadel.search_index', 'number'), max(number)) FROM citadel.search_index
  HAVING max(number) IS NOT NULL`;

async function requireEmpty(to: SqlPool): Promise<void> {
  for (const { name } of await listTables(to)) {
    if (OWN.includes(name) || name === COUNTER || (await countRows(to, name)) === 0) continue;
    throw new AppError(
      'conflict',
      `The database holds something already (in ${quoteTable(name)}). Name an empty one, or drop its schema citadel.`,
    );
  }
}

/** They are made when an index is, and thus by no migration. Gives how the target calls the types. */
async function makeVectorTables(from: SqlPool, to: SqlPool, tables: readonly CopiedTable[]) {
  const numbers = tables.flatMap(({ name }) => VECTORS.exec(name)?.[1] ?? []).map(Number);
  if (numbers.length === 0) return undefined;
  if (!(await hasPgvector(to))) {
    throw new AppError(
      'conflict',
      'Collections with an embedding model need pgvector (0.8 or newer), which this Postgres does not have. Nothing was copied: install it there, or delete those collections, and move again.',
    );
  }
  const schema = await findOrMakeExtension(to);
  const { rows } = await from.query<{ number: number; dimensions: number }>(
    'SELECT number, dimensions FROM citadel.search_index WHERE number = ANY($1)',
    [numbers],
  );
  const names = new Set(tables.map(({ name }) => name));
  for (const { number, dimensions } of rows) {
    const isSketched = names.has(`vector_${number}_sketch`);
    const table = vectorTable({ number, dimensions, schema, usesHnsw: true, isSketched });
    await to.transaction((tx) => table.create(tx));
  }
  return (type: string) => type.replace(/^(\w+\.)?vector\b/, `${schema}.vector`);
}

/** Not the sketches of vectors in which HNSW finds neighbours there. */
async function thoseThere(to: SqlPool, tables: readonly CopiedTable[]): Promise<CopiedTable[]> {
  const there = new Set((await listTables(to)).map(({ name }) => name));
  return tables.filter(({ name }) => there.has(name) || !VECTORS.test(name));
}

async function requireAll(from: SqlPool, to: SqlPool, { name }: CopiedTable): Promise<number> {
  const [there, here] = await Promise.all([countRows(from, name), countRows(to, name)]);
  if (there === here) return here;
  throw new Error(`Of ${there} rows in ${name}, ${here} have arrived.`);
}

async function copyBlobs({ from, to }: StoreMove['blobs']): Promise<number> {
  let count = 0;
  for (let after: string | null = null; ; ) {
    const names: string[] = await from.olderThan(0, after, BLOBS_PAGE);
    for (const name of names) {
      const stream = await from.read(name);
      const blob = stream && (await to.write(stream, Number.MAX_SAFE_INTEGER));
      if (blob?.sha256 !== name) throw new Error(`The upload ${name} is damaged.`);
      count++;
    }
    after = names.at(-1) ?? null;
    if (names.length < BLOBS_PAGE) return count;
  }
}

async function emptyAgain(to: SqlPool): Promise<void> {
  const names = (await listTables(to)).map(({ name }) => name).filter((name) => !OWN.includes(name));
  const vectors = names.filter((name) => VECTORS.test(name));
  if (vectors.length > 0) await to.query(`DROP TABLE ${vectors.map(quoteTable).join(', ')}`);
  const others = names.filter((name) => !VECTORS.test(name));
  await to.query(`TRUNCATE ${others.map(quoteTable).join(', ')}`);
  await to.query(`INSERT INTO ${quoteTable(COUNTER)} (revision) VALUES (0)`);
}
