import type { SqlQueryable } from '../core/sql-pool.ts';
import { JOB_NAME, LOCK_MS, optionsOf, type ShortWay } from './bullmq-store.ts';

const TAKE = 'SELECT bullmq.take_job($1, $2, $3, $4, $5, $6, $7, $8, $9) AS taken';
const FINISH = `
  DELETE FROM bullmq.job WHERE queue = $1 AND id = $2 AND state = 'active' AND lock_token = $3`;

/** One statement in place of BullMQ's add and claim (postgres-short-ways.sql), and one for the end. */
export function openPostgresShortWay(pool: SqlQueryable, queueName: string): ShortWay {
  return {
    async take(job, token) {
      const { id, data, tag, addedAtMs } = job;
      const options = JSON.stringify(optionsOf(job));
      const json = JSON.stringify(data);
      const args = [queueName, id, JOB_NAME, json, options, tag, addedAtMs, token, LOCK_MS];
      const { rows } = await pool.query<{ taken: boolean }>(TAKE, args);
      return rows[0]?.taken === true;
    },

    async finish(id, token) {
      const { rowCount } = await pool.query(FINISH, [queueName, id, token]);
      // The one process that adds jobs knows whether others wait.
      return rowCount === 1 ? false : null;
    },
  };
}
