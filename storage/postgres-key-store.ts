import { z } from 'zod';
import type { KeySettings, KeyStore, ListedKey } from '../access/key-store.ts';
import { AppError } from '../core/errors.ts';
import { KeyRole } from '../core/schemas/api-key.ts';
import type { SqlPool, SqlResult } from '../core/sql-pool.ts';
import { toStoreError } from './sql-errors.ts';

// The driver gives bigint as text.
const Count = z.coerce.number().nullable();

const KeyRow = z
  .object({
    id: z.string(),
    name: z.string(),
    role: KeyRole,
    digest: z.string(),
    prefix: z.string(),
    requests_per_minute: Count,
    tokens_per_minute: Count,
    max_concurrency: z.number().nullable(),
    models: z.array(z.string()).nullable(),
    budget_tokens: Count,
    budget_per: z.enum(['day', 'month']).nullable(),
    weight: z.number(),
    expires_at: z.date().nullable(),
    created_at: z.date(),
    revoked_at: z.date().nullable(),
    last_used_at: z.date().nullable().default(null),
  })
  .transform(
    (row): ListedKey => ({
      id: row.id,
      name: row.name,
      role: row.role,
      digest: row.digest,
      prefix: row.prefix,
      requestsPerMinute: row.requests_per_minute,
      tokensPerMinute: row.tokens_per_minute,
      maxConcurrency: row.max_concurrency,
      models: row.models,
      tokenBudget:
        row.budget_tokens === null || row.budget_per === null
          ? null
          : { tokens: row.budget_tokens, per: row.budget_per },
      weight: row.weight,
      expiresAt: row.expires_at,
      createdAt: row.created_at,
      revokedAt: row.revoked_at,
      lastUsedAt: row.last_used_at,
    }),
  );

const UsageRow = z.object({ key_name: z.string(), day: z.string(), tokens: z.coerce.number() });
const RevisionRow = z.object({ revision: z.coerce.number() });

/** The columns that may change, each with what it holds of the settings. */
const SETTINGS = {
  role: ({ role }) => role,
  requests_per_minute: ({ requestsPerMinute }) => requestsPerMinute,
  tokens_per_minute: ({ tokensPerMinute }) => tokensPerMinute,
  max_concurrency: ({ maxConcurrency }) => maxConcurrency,
  models: ({ models }) => models,
  budget_tokens: ({ tokenBudget }) => (tokenBudget === null ? null : tokenBudget?.tokens),
  budget_per: ({ tokenBudget }) => (tokenBudget === null ? null : tokenBudget?.per),
  weight: ({ weight }) => weight,
  expires_at: ({ expiresAt }) => expiresAt,
} as const satisfies Record<string, (settings: Partial<KeySettings>) => unknown>;

const COLUMNS = Object.keys(SETTINGS);

const INSERT = `
  INSERT INTO citadel.api_key (id, name, digest, prefix, created_at, revoked_at, ${COLUMNS.join(', ')})
  VALUES ($1, $2, $3, $4, $5, $6, ${COLUMNS.map((_, index) => `$${index + 7}`).join(', ')})`;

// When a key was last used is in the ledger: written nowhere else, it costs a request nothing.
const SELECT_LISTED = `
  SELECT key.*, (
    SELECT max(ledger.created_at) FROM citadel.ledger
    WHERE ledger.key_name = key.name
      AND ledger.created_at BETWEEN key.created_at AND coalesce(key.revoked_at, 'infinity')
  ) AS last_used_at
  FROM citadel.api_key AS key`;

const SELECT_PAGE = `${SELECT_LISTED}
  WHERE $2::text IS NULL
     OR (key.created_at, key.id) < (SELECT created_at, id FROM citadel.api_key WHERE id = $2)
  ORDER BY key.created_at DESC, key.id DESC
  LIMIT $1`;

const SELECT_USAGE = `
  SELECT key_name, day::text, tokens FROM citadel.token_usage
  WHERE key_name = ANY($1::text[]) AND day >= $2::date`;

const UNIQUE_VIOLATION = '23505';

/** The API keys in Postgres. */
export function createPostgresKeyStore(pool: SqlPool): KeyStore {
  return {
    async revision() {
      const { rows } = await query('SELECT revision FROM citadel.api_key_revision');
      return RevisionRow.parse(rows[0]).revision;
    },
    async all() {
      const { rows } = await query('SELECT * FROM citadel.api_key');
      return rows.map((row) => KeyRow.parse(row));
    },
    async insert(key) {
      const own = [key.id, key.name, key.digest, key.prefix, key.createdAt, key.revokedAt];
      await query(INSERT, [...own, ...Object.values(SETTINGS).map((read) => read(key))]);
    },
    async list({ limit, after }) {
      const { rows } = await query(SELECT_PAGE, [limit, after]);
      return rows.map((row) => KeyRow.parse(row));
    },
    get,
    async change(id, changes) {
      const entries = Object.entries(SETTINGS).filter(([, read]) => read(changes) !== undefined);
      const assignments = entries.map(([column], index) => `${column} = $${index + 2}`);
      if (assignments.length > 0) {
        await query(
          `UPDATE citadel.api_key SET ${assignments.join(', ')} WHERE id = $1 AND revoked_at IS NULL`,
          [id, ...entries.map(([, read]) => read(changes))],
        );
      }
      const key = await get(id);
      return key?.revokedAt === null ? key : null;
    },
    async revoke(id, at) {
      await query('UPDATE citadel.api_key SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL', [
        id,
        at,
      ]);
      return await get(id);
    },
    async tokensUsed(keyNames, since) {
      if (keyNames.length === 0) return [];
      const { rows } = await query(SELECT_USAGE, [keyNames, since]);
      return rows
        .map((row) => UsageRow.parse(row))
        .map(({ key_name, day, tokens }) => ({ keyName: key_name, day, tokens }));
    },
  };

  async function get(id: string): Promise<ListedKey | null> {
    const { rows } = await query(`${SELECT_LISTED} WHERE key.id = $1`, [id]);
    return rows[0] ? KeyRow.parse(rows[0]) : null;
  }

  async function query(text: string, params: readonly unknown[] = []): Promise<SqlResult> {
    try {
      return await pool.query(text, params);
    } catch (error) {
      throw toKeyStoreError(error);
    }
  }
}

function toKeyStoreError(error: unknown): unknown {
  if ((error as { code?: unknown }).code === UNIQUE_VIOLATION) {
    return new AppError('conflict', 'There is a key of this name. Revoke it first, or take another name.', {
      param: 'name',
      cause: error,
    });
  }
  return toStoreError(error, 'The store of the keys');
}
