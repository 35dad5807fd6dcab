import type { SqlPool, SqlQueryable } from '../core/sql-pool.ts';

/** A table of the schema `citadel`. */
export interface CopiedTable {
  name: string;
  columns: { name: string; type: string }[];
}

const COLUMNS = `
  SELECT relname AS table, attname AS name, format_type(atttypid, atttypmod) AS type
  FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
  WHERE relnamespace = 'citadel'::regnamespace AND relkind = 'r' AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
  ORDER BY relname, attnum`;

const quote = (name: string) => `"${name.replaceAll('"', '""')}"`;
export const quoteTable = (name: string) => `citadel.${quote(name)}`;

export async function listTables(pool: SqlQueryable): Promise<CopiedTable[]> {
  const { rows } = await pool.query<{ table: string; name: string; type: string }>(COLUMNS);
  return Array.from(
    Map.groupBy(rows, ({ table }) => table),
    ([name, columns]) => ({ name, columns }),
  );
}

export async function countRows(pool: SqlQueryable, name: string): Promise<number> {
  const { rows } = await pool.query<{ count: string }>(`SELECT count(*) AS count FROM ${quoteTable(name)}`);
  return Number(rows[0]?.count ?? 0);
}

const ROWS_FIRST = 16;
const ROWS_MAX = 1_000;
const CHARS_LOW = 500_000;
const CHARS_HIGH = 4_000_000;

/** Copies every row, each value as its text, which loses nothing. Nobody else may write either table. `typeOf` gives a column's
 *  type where the target has it under another name. */
export async function copyTable(
  from: SqlPool,
  to: SqlPool,
  { name, columns }: CopiedTable,
  typeOf: (type: string) => string = (type) => type,
): Promise<void> {
  const texts = columns.map((column, index) => `${quote(column.name)}::text AS c${index}`);
  const read = `SELECT ctid::text AS place, ${texts.join(', ')} FROM ${quoteTable(name)} WHERE ctid > $1::tid ORDER BY ctid LIMIT $2`;
  const values = columns.map(({ type }, index) => `c${index}::${typeOf(type)}`);
  const write = `
    INSERT INTO ${quoteTable(name)} (${columns.map((column) => quote(column.name)).join(', ')}) OVERRIDING SYSTEM VALUE
    SELECT ${values.join(', ')}
    FROM unnest(${columns.map((_, index) => `$${index + 1}::text[]`).join(', ')})
      AS given (${columns.map((_, index) => `c${index}`).join(', ')})`;

  let place = '(0,0)';
  let limit = ROWS_FIRST;
  for (;;) {
    const { rows } = await from.query<Record<string, string | null>>(read, [place, limit]);
    const last = rows.at(-1)?.place;
    if (typeof last !== 'string') return;
    place = last;
    await to.query(
      write,
      columns.map((_, index) => rows.map((row) => row[`c${index}`] ?? null)),
    );
    limit = nextLimit(limit, rows);
  }
}

/** Rows are of all sizes: a batch is to fit in memory, and in one statement's time. */
function nextLimit(limit: number, rows: readonly Record<string, string | null>[]): number {
  let chars = 0;
  for (const row of rows) for (const text of Object.values(row)) chars += text?.length ?? 0;
  if (chars > CHARS_HIGH) return Math.max(1, Math.floor(limit / 4));
  return chars < CHARS_LOW ? Math.min(ROWS_MAX, limit * 2) : limit;
}
