import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newDataDirectory } from './pglite-template.ts';

/** A file system of its own with little room. */
export interface SmallDisk {
  path: string;
  /** Takes all the room that is left. */
  fill(): void;
  free(): void;
  remove(): void;
}

/** Null where this user may not mount one. */
export function mountSmallDisk(megabytes: number): SmallDisk | null {
  const path = mkdtempSync(join(tmpdir(), 'citadel-disk-'));
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', path]);
  if (status !== 0) {
    rmdirSync(path);
    return null;
  }
  const filler = join(path, 'filler');
  return {
    path,
    fill() {
      const part = Buffer.alloc(64 * 1024);
      try {
        for (;;) writeFileSync(filler, part, { flag: 'a' });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      }
    },
    free: () => rmSync(filler),
    remove() {
      // Lazily: a process that was killed may hold it for a moment still.
      spawnSync('umount', ['-l', path]);
      rmdirSync(path);
    },
  };
}

/** A Citadel's data directory on `disk`. */
export async function newDataDirectoryOn(disk: SmallDisk): Promise<string> {
  const [made, directory] = [await newDataDirectory(), join(disk.path, 'data')];
  cpSync(made, directory, { recursive: true });
  await rm(made, { recursive: true, force: true });
  return directory;
}

const ACCEPTED_MAX = 1_000;

/** Sends until something is not accepted any more, and gives that answer. */
export async function untilRefused<T extends { status: number }>(send: () => Promise<T>): Promise<T> {
  for (let accepted = 0; accepted < ACCEPTED_MAX; accepted += 1) {
    const answer = await send();
    if (answer.status !== 202) return answer;
  }
  throw new Error(`accepted ${ACCEPTED_MAX} times on a full disk`);
}
