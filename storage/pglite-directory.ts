import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { execPath } from 'node:process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const CREATE_LIMIT_MS = 120_000;

/**
 * The database's own directory inside `dataDir`, created on the first start. It is made beside its place and moved
 * there whole, so that a start that was killed half-way does not leave half a database.
 */
export async function preparePgliteDirectory(dataDir: string): Promise<string> {
  const directory = join(dataDir, 'postgres');
  if (existsSync(directory)) return directory;
  const unfinished = join(dataDir, 'postgres.unfinished');
  await rm(unfinished, { recursive: true, force: true });
  await createDatabase(unfinished);
  await rename(unfinished, directory);
  return directory;
}

// In a process of its own: what initdb leaves behind would stay with this one, some 200 MB. It ends too soon for code that
// is compiled a second time, for speed, to be worth it: without that, a third less of work.
async function createDatabase(directory: string): Promise<void> {
  const program = fileURLToPath(new URL('./pglite-create.ts', import.meta.url));
  await promisify(execFile)(execPath, ['--liftoff-only', program, directory], {
    timeout: CREATE_LIMIT_MS,
    killSignal: 'SIGKILL',
  });
}
