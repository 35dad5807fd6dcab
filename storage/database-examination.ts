import type { SqlQueryable } from '../core/sql-pool.ts';

/** What a database says of itself, asked without a change to it. */
export interface DatabaseExamination {
  /** Such as 16.4. */
  version: string;
  /** 0 where there is no schema of ours. */
  schemaVersion: number;
  /** Its wall clock (unix ms). */
  clockMs: number;
  pgvector: 'there' | 'available' | 'none';
  /** Whether a commit is on the disk when it is acknowledged, as the settings say. */
  isDurable: boolean;
  connectionsMax: number;
  /** Keys that may call; null where there is no schema of ours. */
  keyCount: number | null;
}

interface Facts {
  version: string;
  clock: string;
  fsync: string;
  synchronous: string;
  connections: string;
  has_schema: boolean;
  has_keys: boolean;
  vector: DatabaseExamination['pgvector'];
}

const FACTS = `
  SELECT current_setting('server_version') AS version,
    (extract(epoch FROM clock_timestamp()) * 1000)::text AS clock,
    current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS synchronous,
    current_setting('max_connections') AS connections,
    to_regclass('citadel.migration') IS NOT NULL AS has_schema, to_regclass('citadel.api_key') IS NOT NULL AS has_keys,
    CASE WHEN EXISTS (SELECT FROM pg_extension WHERE extname = 'vector') THEN 'there'
      WHEN EXISTS (SELECT FROM pg_available_extensions WHERE name = 'vector') THEN 'available' ELSE 'none'
    END AS vector`;

const KEYS = `
  SELECT count(*)::integer AS count FROM citadel.api_key
  WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())`;

/** Throws what the driver throws. */
export async function examineDatabase(pool: SqlQueryable): Promise<DatabaseExamination> {
  const [facts] = (await pool.query<Facts>(FACTS)).rows;
  if (!facts) throw new Error('The database says nothing of itself.');
  const schema = facts.has_schema
    ? await pool.query<{ version: number }>('SELECT max(version) AS version FROM citadel.migration')
    : null;
  const keys = facts.has_keys ? await pool.query<{ count: number }>(KEYS) : null;
  return {
    version: facts.version,
    schemaVersion: schema?.rows[0]?.version ?? 0,
    clockMs: Number(facts.clock),
    pgvector: facts.vector,
    isDurable: facts.fsync === 'on' && facts.synchronous !== 'off',
    connectionsMax: Number(facts.connections),
    keyCount: keys?.rows[0]?.count ?? null,
  };
}
