import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { newInboxId, newJobId } from '../../core/ids.ts';
import { createLogger } from '../../core/logger.ts';
import { createPostgresQueues } from '../../queues/postgres-queues.ts';
import { createPglitePool } from '../../storage/pglite-pool.ts';
import { newDataDirectory } from '../support/pglite-template.ts';
import { waitFor } from '../support/wait-for.ts';

const closers: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function setup() {
  const directory = await newDataDirectory();
  const pool = await createPglitePool({ dataDir: join(directory, 'pglite') });
  closers.push(
    () => rm(directory, { recursive: true, force: true }),
    () => pool.close(),
  );
  const open = async () => {
    const logger = createLogger({ level: 'silent' });
    const queues = await createPostgresQueues({ pool, inbox: newInboxId(), logger });
    closers.push(() => queues.close());
    return queues;
  };
  const sourceOf = async (name: string) => {
    const { rows } = await pool.query<{ prosrc: string }>(
      `SELECT prosrc FROM pg_proc WHERE proname = $1 AND pronamespace = 'bullmq'::regnamespace`,
      [name],
    );
    return rows.map(({ prosrc }) => prosrc);
  };
  return { pool, open, sourceOf };
}

describe('the short ways through BullMQ’s functions', () => {
  test.each(['add_job', 'move_to_active', 'move_to_completed'])(
    'stand before %s once, however often Citadel starts, with the whole way beside',
    async (name) => {
      const { open, sourceOf } = await setup();
      await open();
      const whole = await sourceOf(`whole_${name}`);

      await open();

      expect(await sourceOf(name)).toEqual([expect.stringContaining(`bullmq.whole_${name}`)]);
      expect(await sourceOf(`whole_${name}`)).toEqual(whole);
      expect(whole).toHaveLength(1);
      expect(whole[0]).not.toContain('whole_');
    },
  );

  test('are laid before what a newer BullMQ writes in their place', async () => {
    const { pool, open, sourceOf } = await setup();
    await open();
    await pool.exec(`
      CREATE OR REPLACE FUNCTION bullmq.move_to_completed(
        p_queue text, p_id text, p_token text, p_return_value jsonb, p_finished_on bigint, p_remove_all boolean,
        p_keep_age bigint, p_keep_count integer
      ) RETURNS bigint LANGUAGE sql AS 'SELECT 7::bigint'`);

    await open();

    expect(await sourceOf('whole_move_to_completed')).toEqual(['SELECT 7::bigint']);
    expect(await sourceOf('move_to_completed')).toEqual([
      expect.stringContaining('bullmq.whole_move_to_completed'),
    ]);
  });

  test('leave a queue alone that BullMQ has paused', async () => {
    const { open, pool } = await setup();
    const queues = await open();
    const queue = queues.queue('lightweight');
    const native = queues.native().find(({ name }) => name === 'lightweight');
    await native?.pause();
    const taken: string[] = [];
    const consumer = queue.consume({
      concurrency: 1,
      run: async ({ id }) => {
        taken.push(id);
        return { status: 'done' };
      },
      onDead: () => {},
    });
    closers.push(() => consumer.close());
    const id = newJobId();

    await queue.add(id, {}, 1);

    const { rows } = await pool.query('SELECT id, state FROM bullmq.job');
    expect(rows).toEqual([{ id, state: 'waiting' }]);
    expect(taken).toEqual([]);
    await native?.resume();
    await queue.add(newJobId(), {}, 2);
    await waitFor(() => taken.length === 2, 'both are taken', 10_000);
    expect(taken[0]).toBe(id);
  });
});
