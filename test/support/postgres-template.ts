import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chown, mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Who Postgres runs as; this process's own account where both are missing. */
export interface Account {
  uid?: number;
  gid?: number;
}

/** Puts a new database cluster into `directory`, which must not be there. initdb is half a second of work, so that it runs
 *  once on a machine and its cluster is copied from then on. */
export async function newCluster(initdb: string, account: Account, directory: string): Promise<void> {
  const template = await findTemplate(initdb, account);
  // With its owner, whom Postgres insists on.
  await run('cp', ['-a', join(template, 'data'), directory]);
}

async function findTemplate(initdb: string, account: Account): Promise<string> {
  const version = (await run(initdb, ['--version'])).stdout.replaceAll(/[^\w.]+/g, '-');
  // Beside the run's own directory (global-setup), so that it outlives the run.
  const parent = dirname(tmpdir());
  const directory = join(parent, `citadel-test-cluster-${userInfo().uid}-${version}`);
  if (existsSync(directory)) return directory;

  const made = await mkdtemp(join(parent, 'citadel-test-cluster-made-'));
  if (account.uid !== undefined) await chown(made, account.uid, account.gid ?? account.uid);
  const options = ['--no-sync', '-A', 'trust', '-U', 'postgres', '-E', 'UTF8', '--locale=C'];
  await run(initdb, ['-D', join(made, 'data'), ...options], { ...account, cwd: made });
  // Another test may have been faster.
  await rename(made, directory).catch(() => rm(made, { recursive: true, force: true }));
  return directory;
}
