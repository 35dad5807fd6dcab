// Values between JavaScript and Postgres for PGlite, by the driver's own rules: int8 and numeric come as text, json
// parsed, timestamptz as Date, bytea as Buffer. So a query gives the same on PGlite and on a server.
import { createRequire } from 'node:module';
import pg from 'pg';
import type { SqlResult, SqlRow } from '../core/sql-pool.ts';
import type { Column, WireResult, WireValue } from './pglite-messages.ts';

interface DriverUtils {
  prepareValue(value: unknown): string | Buffer | null;
}

// The driver's types do not name this module of its own.
const { prepareValue } = createRequire(import.meta.url)('pg/lib/utils') as DriverUtils;

export function toWireValue(value: unknown): WireValue {
  const prepared = prepareValue(value);
  // A copy, because a Buffer's clone brings along the whole pool it is a slice of.
  return Buffer.isBuffer(prepared) ? new Uint8Array(prepared) : prepared;
}

export function decode<R>(result: WireResult): SqlResult<R> {
  return { rows: toRows(result.columns, result.rows) as R[], rowCount: countOf(result.tag) };
}

function toRows(columns: readonly Column[], rows: readonly (string | null)[][]): SqlRow[] {
  const parsers = columns.map(({ typeId }) => pg.types.getTypeParser(typeId, 'text'));
  return rows.map((fields) => {
    const row: SqlRow = {};
    for (const [index, column] of columns.entries()) {
      const text = fields[index] ?? null;
      row[column.name] = text === null ? null : parsers[index]?.(text);
    }
    return row;
  });
}

// The rows a command tag such as `INSERT 0 5` counts; null where it counts none.
function countOf(tag: string): number | null {
  const count = /\d+$/.exec(tag);
  return count ? Number(count[0]) : null;
}
