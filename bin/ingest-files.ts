import { openAsBlob } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { UsageError } from './command.ts';

export interface IngestFile {
  path: string;
  name: string;
  bytes: number;
}

const BATCH_FILES = 100;
const BATCH_BYTES = 52_428_800;
const SKIPPED = /^\.|^node_modules$/;

/** The files that are named, and all below the directories that are; hidden ones and node_modules only where they are
 *  named themselves. Throws UsageError. */
export async function findFiles(paths: readonly string[]): Promise<IngestFile[]> {
  const found: IngestFile[] = [];
  for (const path of paths) await walk(path, found);
  return found;
}

/** Files that may be sent at once, since their names differ; and those whose name another one has. */
export function splitByName(files: readonly IngestFile[]) {
  const byName = new Map<string, IngestFile>();
  const doubles: IngestFile[] = [];
  for (const file of files) {
    if (byName.has(file.name)) doubles.push(file);
    else byName.set(file.name, file);
  }
  return { unique: [...byName.values()], doubles };
}

export function* toBatches(files: readonly IngestFile[]): Iterable<IngestFile[]> {
  let batch: IngestFile[] = [];
  let bytes = 0;
  for (const file of files) {
    if (batch.length > 0 && (batch.length === BATCH_FILES || bytes + file.bytes > BATCH_BYTES)) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(file);
    bytes += file.bytes;
  }
  if (batch.length > 0) yield batch;
}

/** The form of an upload; a file is read as it is sent. */
export async function toForm(collection: string, files: readonly IngestFile[]): Promise<FormData> {
  const form = new FormData();
  form.append('collection', collection);
  for (const { path, name } of files) form.append('files', await openAsBlob(path), name);
  return form;
}

async function walk(path: string, found: IngestFile[]): Promise<void> {
  const facts = await stat(path).catch((error: Error) => {
    throw new UsageError(`${path} cannot be read: ${error.message}.`);
  });
  if (!facts.isDirectory()) {
    found.push({ path, name: basename(path), bytes: facts.size });
    return;
  }
  for (const name of (await readdir(path)).sort()) {
    if (!SKIPPED.test(name)) await walk(join(path, name), found);
  }
}
