import { createHash, randomUUID } from 'node:crypto';
import { cpSync, existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { newInboxId } from '../../core/ids.ts';
import { createLogger } from '../../core/logger.ts';
import { createPostgresQueues } from '../../queues/postgres-queues.ts';
import { migrate } from '../../storage/migrate.ts';
import { createPglitePool } from '../../storage/pglite-pool.ts';

/** A data directory of the test's own with an empty embedded store in it, its schemas up to date. Making one costs seconds,
 *  so that it is made once on a machine and copied from then on. */
export async function newDataDirectory(): Promise<string> {
  holdCompiled();
  const template = await findTemplate();
  const directory = await mkdtemp(join(tmpdir(), 'citadel-test-'));
  // A thousand small files: the asynchronous copy takes eight times as long.
  cpSync(template, directory, { recursive: true });
  return directory;
}

const MIGRATIONS = new URL('../../storage/migrations/', import.meta.url);

declare const WebAssembly: { compile(bytes: Uint8Array): Promise<object> };

const PGLITE = Symbol.for('citadel.compiled-pglite');
const PGLITE_CODE = new URL('../../node_modules/@electric-sql/pglite/dist/pglite.wasm', import.meta.url);

/** What is held compiled anywhere in a process is not compiled again by another thread of it. */
function holdCompiled(): void {
  const holder = globalThis as typeof globalThis & { [PGLITE]?: Promise<object> };
  holder[PGLITE] ??= WebAssembly.compile(readFileSync(PGLITE_CODE));
}

async function findTemplate(): Promise<string> {
  const versions = [...['@electric-sql/pglite', 'bullmq'].map(versionOf), hashOfMigrations()].join('-');
  // Beside the run's own directory (global-setup), so that it outlives the run.
  const directory = join(dirname(tmpdir()), `citadel-test-template-${userInfo().uid}-${versions}`);
  if (existsSync(directory)) return directory;

  const made = `${directory}-${randomUUID()}`;
  const pool = await createPglitePool({ dataDir: join(made, 'pglite'), onFatal: () => {} });
  const logger = createLogger({ level: 'silent' });
  const queues = await createPostgresQueues({ pool, inbox: newInboxId(), logger });
  await queues.close();
  await migrate(pool);
  await pool.close();
  // Another test may have been faster.
  await rename(made, directory).catch(() => rm(made, { recursive: true, force: true }));
  return directory;
}

function hashOfMigrations(): string {
  const hash = createHash('sha256');
  for (const name of readdirSync(MIGRATIONS).sort())
    hash.update(name).update(readFileSync(new URL(name, MIGRATIONS)));
  return hash.digest('hex').slice(0, 12);
}

function versionOf(name: string): string {
  const manifest = new URL(`../../node_modules/${name}/package.json`, import.meta.url);
  return JSON.parse(readFileSync(manifest, 'utf8')).version;
}
