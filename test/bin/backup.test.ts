import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type CitadelFleet, type FleetProcess, spawnCitadel, startFleet } from '../support/citadel-fleet.ts';
import { postgresService, startPostgres, type TestPostgres } from '../support/postgres.ts';
import { describeWith } from '../support/services.ts';
import { waitFor } from '../support/wait-for.ts';

const LIMIT_MS = 120_000;
const ODD = 'line\n"quote" \\ é 😀';

describeWith(postgresService, 'an embedded store with runs, documents, uploads and keys', () => {
  let fleet: CitadelFleet;
  let postgres: TestPostgres | null;
  let directory: string;
  let dataDir: string;
  let key: string;
  let before: unknown;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'citadel-backup-'));
    [fleet, postgres] = await Promise.all([
      startFleet({ withRedis: false, models: ['sim-chat', 'sim-embed'] }),
      startPostgres(),
    ]);
    const one = await fleet.start('up');
    dataDir = one.dataDir;
    await fill(one);
    key = await makeKey(one);
    before = await tell(one);
    await end(one);
  }, LIMIT_MS);

  afterAll(async () => {
    await fleet?.stop();
    await postgres?.stop();
    rmSync(directory, { recursive: true, force: true });
  }, LIMIT_MS);

  async function fill(one: FleetProcess): Promise<void> {
    await one.post('/api/v1/rag/collections', { name: 'words', embedding_model: null });
    const documents = [{ external_id: 'a', text: 'The heron stands in the shallow water.' }];
    await one.post('/api/v1/rag/ingest/batch', { collection: 'words', documents });
    const form = new FormData();
    form.append('collection', 'words');
    form.append('files', new Blob(['A kingfisher dives. '.repeat(2_000)]), 'bird.txt');
    await fetch(`${one.url}/api/v1/rag/ingest/files`, { method: 'POST', body: form });
    await one.post('/api/v1/workflows', {
      definition: { name: 'w', steps: [{ id: 'a', type: 'transform', value: '${{ input.text }}' }] },
      input: { text: ODD },
      tags: ['x', 'y "z"'],
    });
    await waitFor(async () => (await search(one, 'kingfisher')).length > 0, 'the file can be searched');
    await waitFor(
      async () => (await listRuns(one)).every(({ status }) => status === 'succeeded'),
      'the run ended',
    );
  }

  async function makeKey(one: FleetProcess): Promise<string> {
    const made = await one.post('/api/v1/keys', { name: 'kept', role: 'admin' });
    return ((await made.json()) as { key: string }).key;
  }

  async function get(one: FleetProcess, path: string): Promise<{ data: Record<string, unknown>[] }> {
    const response = await fetch(one.url + path, { headers: { authorization: `Bearer ${key ?? ''}` } });
    expect([path, response.status]).toEqual([path, 200]);
    return (await response.json()) as { data: Record<string, unknown>[] };
  }

  async function search(one: FleetProcess, query: string) {
    const response = await fetch(`${one.url}/api/v1/rag/search`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(key ? { authorization: `Bearer ${key}` } : {}) },
      body: JSON.stringify({ collection: 'words', query }),
    });
    return ((await response.json()) as { data: unknown[] }).data;
  }

  async function listRuns(one: FleetProcess) {
    return (await get(one, '/api/v1/workflows')).data;
  }

  /** All that a caller can see of it. */
  async function tell(one: FleetProcess) {
    const runs = await listRuns(one);
    return {
      runs: await Promise.all(runs.map(({ id }) => get(one, `/api/v1/workflows/${id}`))),
      documents: (await get(one, '/api/v1/rag/collections/words/documents')).data,
      found: [await search(one, 'heron'), await search(one, 'kingfisher')],
      keys: (await get(one, '/api/v1/keys')).data.map(({ name, prefix, role }) => ({ name, prefix, role })),
    };
  }

  async function end(one: FleetProcess): Promise<void> {
    one.kill('SIGTERM');
    await one.exited;
  }

  async function run(args: string[], env: Record<string, string>) {
    const one = await spawnCitadel(args, env);
    const { code } = await one.exited;
    return { code, stdout: one.stdout(), stderr: one.stderr() };
  }

  test(
    'a backup is refused beside a running server, and restored it holds all of it',
    async () => {
      const file = join(directory, 'backup.tar.gz');
      const running = await fleet.start('up', { dataDir });
      const refused = await run(['backup', file], { CITADEL_DATA_DIR: dataDir });
      expect(refused).toMatchObject({ code: 1, stderr: expect.stringMatching(/is in use by process \d+/) });
      await end(running);

      expect(await run(['backup', file], { CITADEL_DATA_DIR: dataDir })).toMatchObject({
        code: 0,
        stderr: '',
      });
      expect(await run(['restore', file], { CITADEL_DATA_DIR: dataDir })).toMatchObject({
        code: 1,
        stderr: expect.stringMatching(/has a store already/),
      });
      const fresh = join(directory, 'fresh');
      expect(await run(['restore', file], { CITADEL_DATA_DIR: fresh })).toMatchObject({
        code: 0,
        stderr: '',
      });

      const one = await fleet.start('up', { dataDir: fresh });
      expect(await tell(one)).toEqual(before);
      await end(one);
    },
    LIMIT_MS,
  );

  test(
    'what is no backup is refused, and leaves no store',
    async () => {
      const file = join(directory, 'other.tar.gz');
      writeFileSync(file, 'not an archive');
      const place = join(directory, 'none');

      expect(await run(['restore', file], { CITADEL_DATA_DIR: place })).toMatchObject({ code: 1 });
      expect(await run(['backup', join(directory, 'x')], { CITADEL_DATA_DIR: place })).toMatchObject({
        code: 1,
        stderr: expect.stringMatching(/no embedded store/),
      });
    },
    LIMIT_MS,
  );

  test(
    'moved to Postgres it is the same, and a second move there is refused',
    async () => {
      const url = postgres?.url ?? '';
      const blobs = join(dataDir, 'blobs', 'ff');
      mkdirSync(blobs, { recursive: true });
      writeFileSync(join(blobs, 'f'.repeat(64)), 'other bytes than its name says');
      const failed = await run(['move', '--to', url], { CITADEL_DATA_DIR: dataDir });
      expect(failed).toMatchObject({ code: 1, stderr: expect.stringMatching(/upload f+ is damaged/) });
      rmSync(join(blobs, 'f'.repeat(64)));

      // It has left nothing behind.
      const moved = await run(['move', '--to', url], { CITADEL_DATA_DIR: dataDir });
      expect(moved).toMatchObject({ code: 0, stderr: '' });
      expect(moved.stdout).toMatch(/blobs\D+1\b/);

      const again = await run(['move', '--to', url], { CITADEL_DATA_DIR: dataDir });
      expect(again).toMatchObject({ code: 1, stderr: expect.stringMatching(/holds something already/) });
      const one = await fleet.start('up', { env: { DATABASE_URL: url } });
      expect(await tell(one)).toEqual(before);
    },
    LIMIT_MS,
  );
});
