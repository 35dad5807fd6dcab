import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import type { FailPoint } from '../../core/fail-point.ts';
import type { SqlPool } from '../../core/sql-pool.ts';
import { createPgPool } from '../../storage/pg-pool.ts';
import { createPglitePool } from '../../storage/pglite-pool.ts';
import { newDataDirectory } from '../support/pglite-template.ts';
import { pgvectorService } from '../support/pgvector.ts';
import { postgresService, startPostgres } from '../support/postgres.ts';
import { describeWith } from '../support/services.ts';
import { waitFor } from '../support/wait-for.ts';
import { ingestKillBundle, whatIsThere } from './ingest-kill-bundle.ts';

const BOUNDARIES: readonly FailPoint[] = [
  ...(['ingest.accepted', 'ingest.claimed', 'ingest.parsed', 'ingest.chunked', 'ingest.embedded'] as const),
  ...(['ingest.indexed', 'ingest.publish.before', 'ingest.published', 'sweep.points'] as const),
];
const FEWER: readonly FailPoint[] = ['ingest.chunked', 'ingest.indexed', 'sweep.points'];
const TEST_LIMIT_MS = 240_000;
const DONE_WITHIN_MS = 60_000;

const COLLECTION = 'survivors';
const paragraph = (word: string) => `${word} `.repeat(12).trim();

/** Each boundary has documents of its own, and changes one that all share. */
const documentsOf = (number: number) => [
  { external_id: `new-${number}`, text: `${paragraph(`one${number}`)}\n\n${paragraph(`two${number}`)}` },
  { external_id: 'changing', text: paragraph(`version${number}`) },
  { external_id: `copy-${number}`, text: paragraph('common') },
];

const expected = (boundaries: readonly FailPoint[]) => [
  `changing: ${paragraph(`version${boundaries.length - 1}`)}`,
  ...boundaries.map((_, number) => `copy-${number}: ${paragraph('common')}`),
  ...boundaries.flatMap((_, number) => [
    `new-${number}: ${paragraph(`one${number}`)}`,
    `new-${number}: ${paragraph(`two${number}`)}`,
  ]),
];

interface Trial {
  dataDir: string;
  env: Record<string, string>;
  /** Postgres may be without pgvector. */
  hasVectors: boolean;
  boundaries: readonly FailPoint[];
  /** Ends the leases of the process that was killed. */
  lapse(): Promise<unknown>;
}

/** Gives the texts that were paid for. */
async function killAtEach({ dataDir, env, hasVectors, boundaries, lapse }: Trial): Promise<string[]> {
  const citadel = await ingestKillBundle(dataDir, env);
  try {
    await citadel.start();
    const wanted = {
      name: COLLECTION,
      embedding_model: hasVectors ? citadel.model : null,
      chunk: { tokens: 40, overlap: 0 },
    };
    await citadel.call('POST', '/collections', wanted);
    await citadel.kill();
    for (const [number, boundary] of boundaries.entries()) {
      await citadel.start();
      // What the one before left is taken in first.
      await citadel.untilIdle(COLLECTION);
      await citadel.arm(boundary);
      await citadel.call('POST', '/ingest/batch', { collection: COLLECTION, documents: documentsOf(number) });
      await citadel.untilKilled();
      await lapse();
    }
    await citadel.start();
    // Of what was accepted without its caller being told, sent again: nothing is doubled.
    for (const [number] of boundaries.entries()) {
      const documents = documentsOf(number).filter(({ external_id: id }) => id !== 'changing');
      await citadel.call('POST', '/ingest/batch', { collection: COLLECTION, documents });
    }
    await waitFor(
      async () => {
        const list = await citadel.call('GET', `/collections/${COLLECTION}/documents?limit=100`);
        const documents = (list?.data ?? []) as { status: string }[];
        return (
          documents.length === 2 * boundaries.length + 1 &&
          documents.every(({ status }) => status === 'completed')
        );
      },
      'all is taken in',
      DONE_WITHIN_MS,
    );
    await waitFor(
      async () => {
        const found = await citadel.call('POST', `/collections/${COLLECTION}/verify`);
        return found?.missing === 0 && found.orphans === 0;
      },
      'the sweep is done',
      DONE_WITHIN_MS,
    );
    return citadel.paid();
  } finally {
    await citadel.kill();
    await citadel.stop();
  }
}

async function expectAll(
  pool: SqlPool,
  boundaries: readonly FailPoint[],
  paid: readonly string[],
): Promise<void> {
  expect(await whatIsThere(pool)).toEqual({ lines: expected(boundaries), isIndexed: true });
  // Of each process that was killed, one call may have been answered and not kept.
  const unique = new Set(paid);
  expect(paid.length).toBeLessThanOrEqual(unique.size + 4);
}

describe('documents whose process is killed at each boundary of their ingest', () => {
  test(
    'are all there in the end, and none twice, on the embedded store',
    async () => {
      const dataDir = await newDataDirectory();
      try {
        const paid = await killAtEach({
          dataDir,
          env: {},
          hasVectors: true,
          boundaries: BOUNDARIES,
          async lapse() {},
        });
        const pool = await createPglitePool({ dataDir: join(dataDir, 'pglite'), onFatal() {} });
        try {
          await expectAll(pool, BOUNDARIES, paid);
        } finally {
          await pool.close();
        }
      } finally {
        await rm(dataDir, { recursive: true, force: true });
      }
    },
    TEST_LIMIT_MS,
  );
});

describeWith(postgresService, 'the same on a Postgres server', () => {
  test(
    'documents are all there in the end, and none twice',
    async () => {
      const postgres = await startPostgres();
      if (!postgres) throw new Error('Postgres is not installed');
      const dataDir = await newDataDirectory();
      const pool = createPgPool(postgres.url);
      // As if so much time had passed that leases are over.
      const lapse = () =>
        pool.query(`UPDATE citadel.generation SET due_at = now() WHERE state = 'in_progress'`);
      try {
        const env = { DATABASE_URL: postgres.url };
        const hasVectors = pgvectorService.isInstalled;
        const paid = await killAtEach({ dataDir, env, hasVectors, boundaries: FEWER, lapse });
        await expectAll(pool, FEWER, paid);
      } finally {
        await pool.close();
        await postgres.stop();
        await rm(dataDir, { recursive: true, force: true });
      }
    },
    TEST_LIMIT_MS,
  );
});
