import { z } from 'zod';
import { ServerRegistration } from '../core/schemas/server-registration.ts';
import type { SqlPool, SqlQueryable } from '../core/sql-pool.ts';
import type { ServerChange, ServerRow, ServerSet, ServerStore } from '../servers/server-store.ts';
import { toStoreError } from './sql-errors.ts';

const COLUMNS = 'id, registration, draining, removed';

const PUT = `
  INSERT INTO citadel.server (${COLUMNS}) VALUES ($1, $2::text::json, $3, $4)
  ON CONFLICT (id) DO UPDATE SET
    registration = excluded.registration, draining = excluded.draining, removed = excluded.removed`;

// By the clock where that is ahead: a database that was emptied or set back then still gives a revision that no
// process has seen.
const RAISE = `
  UPDATE citadel.server_set
  SET revision = greatest(revision + 1, (extract(epoch FROM clock_timestamp()) * 1000)::bigint)
  RETURNING revision`;

const Row = z.object({
  id: z.string(),
  registration: ServerRegistration.nullable(),
  draining: z.boolean(),
  removed: z.boolean(),
});

/** The operators' words on servers in Postgres. */
export function createPostgresServerStore(pool: SqlPool): ServerStore {
  return {
    revision: () => asStore(() => readRevision(pool)),
    // The revision first: rows that change in between belong to a later one, and are read again.
    read: () =>
      asStore(() =>
        pool.transaction(async (tx): Promise<ServerSet> => {
          const revision = await readRevision(tx);
          return { revision, rows: await readRows(tx) };
        }),
      ),
    change: (id, decide) => asStore(() => pool.transaction((tx) => change(tx, id, decide))),
  };
}

async function change(
  tx: SqlQueryable,
  id: string,
  decide: Parameters<ServerStore['change']>[1],
): Promise<ServerChange> {
  // Held to the end of the transaction, so that changes come one after the other.
  const previous = await readRevision(tx, 'FOR UPDATE');
  const [before] = await readRows(tx, id);
  const row = decide(before ?? null);
  if (row) {
    const registration = row.registration && JSON.stringify(row.registration);
    await tx.query(PUT, [id, registration, row.draining, row.removed]);
  } else {
    await tx.query('DELETE FROM citadel.server WHERE id = $1', [id]);
  }
  const { rows } = await tx.query<{ revision: unknown }>(RAISE);
  return { previous, revision: Number(rows[0]?.revision), id, row };
}

async function readRevision(db: SqlQueryable, lock: '' | 'FOR UPDATE' = ''): Promise<number> {
  const { rows } = await db.query<{ revision: unknown }>(`SELECT revision FROM citadel.server_set ${lock}`);
  return Number(rows[0]?.revision ?? 0);
}

async function readRows(db: SqlQueryable, id?: string): Promise<ServerRow[]> {
  const { rows } = await db.query(
    `SELECT ${COLUMNS} FROM citadel.server WHERE $1::text IS NULL OR id = $1 ORDER BY id`,
    [id ?? null],
  );
  return rows.flatMap((row) => {
    const parsed = Row.safeParse(row);
    return parsed.success ? [parsed.data] : [];
  });
}

async function asStore<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw toStoreError(error, 'The store of the server registry');
  }
}
