import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isDiskFull } from '../core/disk-full.ts';
import { AppError } from '../core/errors.ts';
import type { Blob, BlobStore } from '../rag/blob-store.ts';
import { readBlob } from './blob-bytes.ts';

const NAME = /^[0-9a-f]{64}$/;
const UNFINISHED = 'unfinished';

/**
 * Blobs as files below `directory`, in a directory for each first two digits of their names. One process writes there:
 * what an earlier one left unfinished is removed.
 */
export async function createDiskBlobStore(directory: string): Promise<BlobStore> {
  const unfinished = join(directory, UNFINISHED);
  await reachable(async () => {
    await rm(unfinished, { recursive: true, force: true });
    await mkdir(unfinished, { recursive: true });
  });
  const directoryOf = (sha256: string) => join(directory, sha256.slice(0, 2));
  const pathOf = (sha256: string) => join(directoryOf(sha256), sha256);

  async function publish(path: string, { sha256 }: Blob): Promise<void> {
    await mkdir(directoryOf(sha256), { recursive: true });
    await rename(path, pathOf(sha256));
    await syncDirectory(directoryOf(sha256));
  }

  return {
    async write(stream, maxBytes) {
      const path = join(unfinished, randomUUID());
      let file: FileHandle | null = null;
      try {
        const opened = await reachable(() => open(path, 'wx'));
        file = opened;
        const blob = await readBlob(stream, maxBytes, (part) => reachable(() => writeAll(opened, part)));
        await reachable(async () => {
          await opened.sync();
          await opened.close();
          file = null;
          await publish(path, blob);
        });
        return blob;
      } finally {
        stream.destroy();
        await file?.close();
        await rm(path, { force: true });
      }
    },
    async read(sha256) {
      if (!NAME.test(sha256)) return null;
      const file = await reachable(() => openExisting(pathOf(sha256)));
      return file?.createReadStream() ?? null;
    },
    async remove(sha256) {
      if (NAME.test(sha256)) await reachable(() => rm(pathOf(sha256), { force: true }));
    },
    async olderThan(ageMs, after, limit) {
      const found: string[] = [];
      const before = Date.now() - ageMs;
      for (const first of (await reachable(() => readdir(directory))).filter(isPrefix).sort()) {
        if (after !== null && first < after.slice(0, 2)) continue;
        for (const name of (await readdir(join(directory, first))).sort()) {
          if (found.length === limit) return found;
          if (!NAME.test(name) || (after !== null && name <= after)) continue;
          const facts = await stat(pathOf(name)).catch(() => null);
          if (facts && facts.mtimeMs < before) found.push(name);
        }
      }
      return found;
    },
  };
}

const isPrefix = (name: string) => /^[0-9a-f]{2}$/.test(name);

async function writeAll(file: FileHandle, part: Buffer): Promise<void> {
  for (let at = 0; at < part.length; ) at += (await file.write(part, at)).bytesWritten;
}

async function openExisting(path: string): Promise<FileHandle | null> {
  try {
    return await open(path, constants.O_RDONLY);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

/** So that the file's name outlives a power cut too. Windows cannot, and need not. */
async function syncDirectory(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(path, constants.O_RDONLY);
  await handle.sync().finally(() => handle.close());
}

async function reachable<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const message = isDiskFull(cause) ? 'The disk for uploads is full.' : 'Uploads cannot be stored or read.';
    throw new AppError('store_unavailable', message, { cause });
  }
}
