import { chmodSync, mkdtempSync, readdirSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const MEMORY_DISK = '/dev/shm';
const ROOM_BYTES_MIN = 2_000_000_000;
const PREFIX = 'citadel-tests-';

/**
 * Gives this run a temporary directory of its own, which `tmpdir()` names in its workers: in memory where there is room,
 * since a database is a thousand files and copying it costs a disk five times as much.
 */
export default function globalSetup(): void {
  const parent = hasRoom(MEMORY_DISK) ? MEMORY_DISK : tmpdir();
  removeLeftovers(parent);
  const directory = mkdtempSync(join(parent, `${PREFIX}${process.pid}-`));
  // Postgres runs as somebody else where the tests run as root.
  chmodSync(directory, 0o755);
  process.env.TMPDIR = directory;
}

function hasRoom(directory: string): boolean {
  try {
    const { bavail, bsize } = statfsSync(directory);
    return bavail * bsize > ROOM_BYTES_MIN;
  } catch {
    return false;
  }
}

/** What runs that were killed have left. */
function removeLeftovers(parent: string): void {
  for (const name of readdirSync(parent)) {
    const [, pid] = name.match(`^${PREFIX}(\\d+)-`) ?? [];
    if (pid !== undefined && !isAlive(Number(pid)))
      rmSync(join(parent, name), { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
