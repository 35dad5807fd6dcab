import { z } from 'zod';
import type { Json } from '../core/json-value.ts';
import type { SqlPool } from '../core/sql-pool.ts';
import type { DefinitionStore } from '../workflows/definition-store.ts';
import type { DefinitionVersion, StoredDefinition } from '../workflows/definitions.ts';
import { plainText, reachable } from './run-values.ts';

const SAVE =
  'INSERT INTO citadel.definition (hash, definition) VALUES ($1, $2) ON CONFLICT (hash) DO NOTHING';
const FIND = 'SELECT definition FROM citadel.definition WHERE hash = $1';

// Numbers go on where removed versions ended. Two that come at the same time get two numbers, or one says "again".
const ADD_VERSION = `
  WITH newest AS (
    SELECT * FROM citadel.workflow_version WHERE name = $1 ORDER BY version DESC LIMIT 1
  ), added AS (
    INSERT INTO citadel.workflow_version (name, version, hash)
    SELECT $1, coalesce((SELECT version FROM newest), 0) + 1, $2
    WHERE NOT EXISTS (SELECT FROM newest WHERE hash = $2 AND removed_at IS NULL)
    RETURNING *
  )
  SELECT name, version, hash, created_at FROM added
  UNION ALL
  SELECT name, version, hash, created_at FROM newest WHERE NOT EXISTS (SELECT FROM added)`;

const FIND_VERSION = `
  SELECT versions.name, versions.version, versions.hash, versions.created_at, definition.definition
  FROM citadel.workflow_version AS versions JOIN citadel.definition ON definition.hash = versions.hash
  WHERE versions.name = $1 AND removed_at IS NULL AND ($2::integer IS NULL OR version = $2)
  ORDER BY version DESC LIMIT 1`;

const LIST = `
  SELECT DISTINCT ON (name) name, version, hash, created_at FROM citadel.workflow_version
  WHERE removed_at IS NULL AND ($2::text IS NULL OR name > $2)
  ORDER BY name, version DESC
  LIMIT $1`;

const REMOVE = `
  UPDATE citadel.workflow_version SET removed_at = now() WHERE name = $1 AND removed_at IS NULL`;

const VersionRow = z
  .object({ name: z.string(), version: z.number(), hash: z.string(), created_at: z.date() })
  .transform(({ created_at: createdAt, ...row }): DefinitionVersion => ({ ...row, createdAt }));

const DefinitionText = z.object({
  definition: z.string().transform((text) => JSON.parse(text) as Json),
});

const TRIES = 5;
const UNIQUE_VIOLATION = '23505';

/** The definitions in Postgres, a server or PGlite. */
export function createPostgresDefinitionStore(database: SqlPool): DefinitionStore {
  const pool = reachable(database);

  return {
    async save(hash, definition) {
      await pool.query(SAVE, [hash, JSON.stringify(definition)]);
    },
    async find(hash) {
      const { rows } = await pool.query(FIND, [hash]);
      return rows[0] ? DefinitionText.parse(rows[0]).definition : null;
    },
    async addVersion(name, hash) {
      for (let tries = 1; ; tries++) {
        try {
          const { rows } = await pool.query(ADD_VERSION, [name, hash]);
          return VersionRow.parse(rows[0]);
        } catch (error) {
          if ((error as { code?: unknown }).code !== UNIQUE_VIOLATION || tries >= TRIES) throw error;
        }
      }
    },
    async version(name, version): Promise<StoredDefinition | null> {
      const { rows } = await pool.query(FIND_VERSION, [plainText(name), version ?? null]);
      return rows[0] ? { ...VersionRow.parse(rows[0]), ...DefinitionText.parse(rows[0]) } : null;
    },
    async versions(limit, after) {
      const { rows } = await pool.query(LIST, [limit + 1, after === null ? null : plainText(after)]);
      return rows.map((row) => VersionRow.parse(row));
    },
    async removeVersions(name) {
      const { rowCount } = await pool.query(REMOVE, [plainText(name)]);
      return (rowCount ?? 0) > 0;
    },
  };
}
