import { z } from 'zod';
import type { SqlPool } from '../core/sql-pool.ts';
import type { UsageGroup, UsageRow, UsageStore } from '../jobs/usage-store.ts';
import { reachable } from './run-values.ts';

const ROWS_MAX = 10_000;

// A call without a tag is in the group of those without.
const GROUPS = {
  model: { name: 'ledger.model', from: 'citadel.ledger' },
  key: { name: 'ledger.key_name', from: 'citadel.ledger' },
  tag: {
    name: 'tag',
    from: `citadel.ledger CROSS JOIN LATERAL unnest(CASE WHEN tags = '{}' THEN ARRAY[NULL::text] ELSE tags END) AS tag`,
  },
} as const satisfies Record<UsageGroup, object>;

// Where no server has told, what the call counted for stands as its answer.
const sumsBy = ({ name, from }: (typeof GROUPS)[UsageGroup]) => `
  SELECT ${name} AS name, ledger.model, count(*) AS requests, count(*) FILTER (WHERE outcome = 'failed') AS failed,
    coalesce(sum(prompt_tokens), 0) AS input,
    coalesce(sum(coalesce(completion_tokens, CASE WHEN prompt_tokens IS NULL THEN charged_tokens END)), 0) AS output
  FROM ${from}
  WHERE ledger.created_at >= $1 AND ledger.created_at < $2 AND ($3 OR ledger.key_name IS NOT DISTINCT FROM $4::text)
  GROUP BY 1, 2 ORDER BY 5 DESC, 1, 2 LIMIT ${ROWS_MAX}`;

const Row = z
  .object({
    name: z.string().nullable(),
    model: z.string(),
    requests: z.coerce.number(),
    failed: z.coerce.number(),
    input: z.coerce.number(),
    output: z.coerce.number(),
  })
  .transform(({ input, output, ...row }): UsageRow => ({ ...row, inputTokens: input, outputTokens: output }));

export function createPostgresUsageStore(database: SqlPool): UsageStore {
  const pool = reachable(database);
  return {
    async sums({ by, since, until, keyName }) {
      const params = [since, until, keyName === undefined, keyName ?? null];
      const { rows } = await pool.query(sumsBy(GROUPS[by]), params);
      return rows.map((row) => Row.parse(row));
    },
  };
}
