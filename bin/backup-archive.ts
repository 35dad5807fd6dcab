import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import { lockDirectory } from '../storage/directory-lock.ts';
import { newestSchemaVersion } from '../storage/migrate.ts';

const MANIFEST = 'citadel-backup.json';
const Manifest = z.object({ schemaVersion: z.number() });
const DATABASE = 'pglite/postgres';
const BLOBS = 'blobs';
const LIMIT_MS = 3_600_000;

/** Writes the embedded store of `dataDir` and its uploads into one file, whole or not at all. Throws an Error for the operator, also while
 *  a server has it open. */
export async function writeBackup(dataDir: string, file: string): Promise<void> {
  if (!existsSync(join(dataDir, DATABASE)))
    throw new Error(`There is no embedded store in ${dataDir}.`, NO_CAUSE);
  if (existsSync(file)) throw new Error(`${file} is there already. Name another file.`, NO_CAUSE);
  const lock = await lockDirectory(join(dataDir, 'pglite'));
  const unfinished = `${resolve(file)}.unfinished`;
  const manifest = join(dataDir, MANIFEST);
  try {
    await writeFile(
      manifest,
      JSON.stringify({ schemaVersion: await newestSchemaVersion(), at: new Date().toISOString() }),
    );
    const parts = existsSync(join(dataDir, BLOBS)) ? [DATABASE, BLOBS] : [DATABASE];
    // It holds prompts, and the hashes of keys.
    await writeFile(unfinished, '', { mode: 0o600 });
    await tar('-czf', unfinished, '-C', dataDir, MANIFEST, ...parts);
    await rename(unfinished, file);
  } finally {
    await rm(manifest, { force: true });
    await rm(unfinished, { force: true });
    await lock.release();
  }
}

/** Puts a backup into a `dataDir` that has no store. Throws an Error for the operator. */
export async function readBackup(dataDir: string, file: string): Promise<void> {
  if (!existsSync(file)) throw new Error(`There is no file ${file}.`, NO_CAUSE);
  const lock = await lockDirectory(join(dataDir, 'pglite'));
  const unfinished = join(dataDir, 'restore.unfinished');
  try {
    if (existsSync(join(dataDir, DATABASE)) || existsSync(join(dataDir, BLOBS))) {
      throw new Error(
        `${dataDir} has a store already. Move it away, or set CITADEL_DATA_DIR to another folder.`,
        NO_CAUSE,
      );
    }
    await rm(unfinished, { recursive: true, force: true });
    await mkdir(unfinished, { mode: 0o700 });
    await tar('-xzf', resolve(file), '-C', unfinished);
    await requireOurs(unfinished, file);
    if (existsSync(join(unfinished, BLOBS))) await rename(join(unfinished, BLOBS), join(dataDir, BLOBS));
    // Last: with it, the store is there.
    await rename(join(unfinished, DATABASE), join(dataDir, DATABASE));
  } finally {
    await rm(unfinished, { recursive: true, force: true });
    await lock.release();
  }
}

/** Errors of our own making are told without where they come from. */
const NO_CAUSE = { cause: 'operator' };

async function requireOurs(directory: string, file: string): Promise<void> {
  const text = await readFile(join(directory, MANIFEST), 'utf8').catch(() => 'null');
  const manifest = Manifest.safeParse(JSON.parse(text)).data;
  if (!manifest || !existsSync(join(directory, DATABASE))) {
    throw new Error(`${file} is no backup that citadel backup has made.`, NO_CAUSE);
  }
  const newest = await newestSchemaVersion();
  if (manifest.schemaVersion > newest) {
    const versions = `${manifest.schemaVersion}, and this one knows ${newest}`;
    throw new Error(`${file} was made by a newer Citadel (schema ${versions}). Use that one.`, NO_CAUSE);
  }
}

async function tar(...args: string[]): Promise<void> {
  try {
    await promisify(execFile)('tar', args, { timeout: LIMIT_MS });
  } catch (cause) {
    const { code, stderr, message } = cause as NodeJS.ErrnoException & { stderr?: string };
    const reason = code === 'ENOENT' ? 'the program tar is not installed' : stderr?.trim() || message;
    throw new Error(`The archive cannot be made or read: ${reason}`, { cause });
  }
}
