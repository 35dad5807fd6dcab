import { readdir, readFile } from 'node:fs/promises';
import { AppError } from '../core/errors.ts';
import type { SqlPool, SqlQueryable } from '../core/sql-pool.ts';

const DIRECTORY = new URL('./migrations/', import.meta.url);
// "CTDL"; any number does that no other program locks on.
const LOCK_KEY = 0x4354444c;

interface Migration {
  version: number;
  name: string;
  file: URL;
}

/**
 * Brings the schema `citadel` up to this program's version, one transaction per file of `migrations/`. Several
 * processes may do so at once: each file is applied once. Gives the versions before and after. Throws
 * `store_unavailable` when the schema is newer than this program.
 */
export async function migrate(pool: SqlPool, directory = DIRECTORY): Promise<{ from: number; to: number }> {
  const migrations = await listMigrations(directory);
  const to = migrations.at(-1)?.version ?? 0;
  const applied = await pool.transaction(readApplied);
  const from = Math.max(0, ...applied);
  if (from > to) {
    throw new AppError(
      'store_unavailable',
      `The database is at schema version ${from} and this Citadel knows ${to}. Use a newer Citadel.`,
    );
  }
  for (const migration of migrations) {
    // Not only the newer ones: a file may come with a lower number than one that is there.
    if (!applied.has(migration.version)) await pool.transaction((tx) => apply(tx, migration));
  }
  return { from, to };
}

/** The newest schema version that this program knows. */
export async function newestSchemaVersion(directory = DIRECTORY): Promise<number> {
  return (await listMigrations(directory)).at(-1)?.version ?? 0;
}

async function listMigrations(directory: URL): Promise<Migration[]> {
  const names = (await readdir(directory)).filter((name) => name.endsWith('.sql')).sort();
  return names.map((name) => ({ version: Number.parseInt(name, 10), name, file: new URL(name, directory) }));
}

async function readApplied(tx: SqlQueryable): Promise<Set<number>> {
  await lock(tx);
  const { rows: found } = await tx.query<{ there: boolean }>(
    `SELECT to_regclass('citadel.migration') IS NOT NULL AS there`,
  );
  if (!found[0]?.there) await createMigrationTable(tx);
  const { rows } = await tx.query<{ version: number }>('SELECT version FROM citadel.migration');
  return new Set(rows.map(({ version }) => version));
}

async function createMigrationTable(tx: SqlQueryable): Promise<void> {
  const { rows } = await tx.query<{ there: boolean }>(
    `SELECT to_regnamespace('citadel') IS NOT NULL AS there`,
  );
  // Not IF NOT EXISTS: that asks for the right to create schemas even where an administrator has made this one.
  if (!rows[0]?.there) await tx.query('CREATE SCHEMA citadel');
  await tx.query(`
    CREATE TABLE citadel.migration (
      version    integer PRIMARY KEY,
      name       text NOT NULL,
      applied_at timestamptz NOT NULL DEFAULT now()
    )`);
}

async function apply(tx: SqlQueryable, { version, name, file }: Migration): Promise<void> {
  await lock(tx);
  const { rows } = await tx.query('SELECT 1 FROM citadel.migration WHERE version = $1', [version]);
  if (rows.length > 0) return;
  await tx.query(await readFile(file, 'utf8'));
  await tx.query('INSERT INTO citadel.migration (version, name) VALUES ($1, $2)', [version, name]);
}

// Held to the end of the transaction: whoever comes second finds the work done.
async function lock(tx: SqlQueryable): Promise<void> {
  await tx.query('SELECT pg_advisory_xact_lock($1)', [LOCK_KEY]);
}
