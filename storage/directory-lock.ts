import { readFileSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { AppError } from '../core/errors.ts';

// Two processes that start in one instant: SQLite lets one of them wait this long instead of refusing both.
const CONTENTION_MS = 200;
const SQLITE_BUSY = 5;

export interface DirectoryLock {
  /** Gives the directory free. Harmless when called again. */
  release(): Promise<void>;
}

/**
 * Creates `directory` (mode 0700) if need be and locks it for this process. Throws `store_unavailable` when another
 * one has it.
 */
// The lock is an open transaction on an empty SQLite file, since Node has no file locks of its own: SQLite takes the
// system's (fcntl, or LockFileEx on Windows). The system drops them when the process dies in whatever way, they have no
// race between two starts, and they hold between containers on one host, where process ids mean nothing.
export async function lockDirectory(directory: string): Promise<DirectoryLock> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const ownerPath = join(directory, 'lock-owner.json');
  const lock = takeLock(directory, ownerPath);
  await writeFile(ownerPath, JSON.stringify({ pid: process.pid, since: new Date().toISOString() }), {
    mode: 0o600,
  });
  let released = false;
  return {
    async release() {
      if (released) return;
      released = true;
      await rm(ownerPath, { force: true });
      lock.close();
    },
  };
}

function takeLock(directory: string, ownerPath: string): DatabaseSync {
  let lock: DatabaseSync | undefined;
  try {
    lock = new DatabaseSync(join(directory, 'lock'), { timeout: CONTENTION_MS });
    lock.exec('BEGIN EXCLUSIVE');
    return lock;
  } catch (cause) {
    lock?.close();
    throw new AppError('store_unavailable', whyNot(directory, ownerPath, cause), { cause });
  }
}

function whyNot(directory: string, ownerPath: string, cause: unknown): string {
  if (!isBusy(cause)) {
    return `The data directory ${directory} cannot be locked: ${String(cause)}.`;
  }
  return `The data directory ${directory} is in use by ${ownerOf(ownerPath)}. Stop it first, or set CITADEL_DATA_DIR to another folder.`;
}

// SQLite's extended codes keep the plain one in their low byte.
function isBusy(cause: unknown): boolean {
  const { errcode } = cause as { errcode?: unknown };
  return typeof errcode === 'number' && errcode % 256 === SQLITE_BUSY;
}

function ownerOf(ownerPath: string): string {
  try {
    const { pid, since } = JSON.parse(readFileSync(ownerPath, 'utf8'));
    return `process ${pid} (since ${since})`;
  } catch {
    // The other one has the lock and has not written its name yet.
    return 'another process';
  }
}
