// Installs what package-lock.json names, once. Runs on any Node from 20 on, before anything else is there.
// The marker is written only after a whole install, so that a half one is done again.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const OLDEST_NODE = 20;
const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const marker = join(root, 'node_modules', '.citadel-installed');
const wanted = process.argv.includes('--dev') ? 'all' : 'production';

const major = Number(process.versions.node.split('.')[0]);
if (major < OLDEST_NODE)
  fail(`Citadel needs Node ${OLDEST_NODE} or newer to install; this is ${process.version}.`);

const lock = createHash('sha256')
  .update(readFileSync(join(root, 'package-lock.json')))
  .digest('hex');
if (!isInstalled()) install();

function isInstalled() {
  if (!existsSync(marker)) return false;
  const [installedLock, scope] = readFileSync(marker, 'utf8').trim().split(' ');
  return installedLock === lock && (scope === 'all' || scope === wanted);
}

function install() {
  const what = wanted === 'all' ? 'Citadel and its test tools' : 'Citadel';
  console.error(`Installing ${what} (once, about 20 seconds) …`);
  rmSync(marker, { force: true });
  // `install` and not `ci`: see docs/decisions/001. No install scripts: nothing we depend on needs one.
  const args = ['install', '--no-save', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  if (wanted === 'production') args.push('--omit=dev');
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  const { status, error } = spawnSync(npm, args, {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
    shell: process.platform === 'win32',
  });
  if (status !== 0) {
    fail(`The install failed${error ? ` (${error.message})` : ''}. Run "npm install" in ${root} to see why.`);
  }
  writeFileSync(marker, `${lock} ${wanted}\n`);
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
