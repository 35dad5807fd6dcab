import { z } from 'zod';
import type { RunId } from '../core/ids.ts';
import type { SqlPool } from '../core/sql-pool.ts';
import type { Webhook } from '../workflows/run-store.ts';
import type { DueWebhook, WebhookOutbox } from '../workflows/webhook-outbox.ts';
import { plainText, reachable } from './run-values.ts';

const WebhookRow = z.object({
  id: z.string(),
  run_id: z.string().transform((id) => id as RunId),
  event: z.string(),
  created_at: z.date(),
  attempts: z.number(),
  webhook: z.string().transform((text) => JSON.parse(text) as Webhook),
});

// A process that dies with one in its hands leaves it due again when its lease is over.
const TAKE = `
  WITH due AS (
    SELECT id, run_id FROM citadel.webhook_outbox WHERE next_at <= now()
    ORDER BY next_at LIMIT $1 FOR UPDATE SKIP LOCKED
  ), told AS (
    SELECT due.id, coalesce(run.webhook, ingest.webhook) AS webhook FROM due
    LEFT JOIN citadel.run ON run.id = due.run_id
    LEFT JOIN citadel.ingest_job AS ingest ON ingest.id = due.run_id
  )
  UPDATE citadel.webhook_outbox AS outbox SET next_at = now() + $2 * interval '1 ms'
  FROM told
  WHERE outbox.id = told.id AND told.webhook IS NOT NULL
  RETURNING outbox.id, outbox.run_id, outbox.event, outbox.created_at, outbox.attempts, told.webhook`;

const DELIVERED = `
  UPDATE citadel.webhook_outbox SET attempts = attempts + 1, sent_at = now(), next_at = NULL, error = NULL WHERE id = $1`;

const FAILED = `
  UPDATE citadel.webhook_outbox SET attempts = attempts + 1, error = $2,
    next_at = now() + $3::double precision * interval '1 ms',
    given_up_at = CASE WHEN $3::double precision IS NULL THEN now() END
  WHERE id = $1`;

/** Webhooks to be sent, in Postgres, a server or PGlite. */
export function createPostgresWebhookOutbox(database: SqlPool): WebhookOutbox {
  const pool = reachable(database);

  return {
    async take(max, leaseMs) {
      const { rows } = await pool.query(TAKE, [max, leaseMs]);
      return rows.map((row) => toDue(WebhookRow.parse(row)));
    },
    async delivered(id) {
      await pool.query(DELIVERED, [id]);
    },
    async failed(id, reason, retryInMs) {
      await pool.query(FAILED, [id, plainText(reason), retryInMs]);
    },
  };
}

function toDue({ webhook, ...row }: z.infer<typeof WebhookRow>): DueWebhook {
  return {
    id: row.id,
    runId: row.run_id,
    event: row.event,
    events: webhook.events,
    createdAt: row.created_at,
    attempts: row.attempts,
    url: webhook.url,
    secret: webhook.secret,
  };
}
