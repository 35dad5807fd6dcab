// Installs what bench/package-lock.json names, once; bin/setup.mjs does the same for Citadel itself.
// The marker is written only after a whole install, so that a half one is done again.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const here = import.meta.dirname;
const marker = join(here, 'node_modules', '.citadel-bench-installed');
const lock = createHash('sha256')
  .update(readFileSync(join(here, 'package-lock.json')))
  .digest('hex');
const isInstalled = existsSync(marker) && readFileSync(marker, 'utf8').trim() === lock;
const isHelp = process.argv.includes('--help');
if (!isInstalled && !isHelp) install();

function install() {
  console.error('Installing the gateway that the benchmark compares with (once) …');
  rmSync(marker, { force: true });
  const isWindows = process.platform === 'win32';
  const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  const { status, error } = spawnSync(isWindows ? 'npm.cmd' : 'npm', args, {
    cwd: here,
    stdio: ['ignore', 'ignore', 'inherit'],
    shell: isWindows,
  });
  if (status !== 0) {
    const why = error ? ` (${error.message})` : '';
    console.error(`The install failed${why}. Run "npm ci --ignore-scripts" in ${here} to see why.`);
    process.exit(1);
  }
  writeFileSync(marker, `${lock}\n`);
}
