import { randomBytes } from 'node:crypto';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Config } from '../core/config.ts';

/** How commands reach the server that has a data directory open. */
export const RunningServer = z.object({ url: z.string(), operatorKey: z.string() });
export type RunningServer = z.infer<typeof RunningServer>;

/** Tells commands on this machine, by a file in the data directory, where the server is that has it open. */
export interface ServerAnnouncement {
  /** An admin's key of this boot. Whoever can read the file can read and write the database itself, too. */
  operatorKey: string;
  publish(port: number): Promise<void>;
  withdraw(): Promise<void>;
}

const FILE = 'server.json';
const KEY_BYTES = 32;

export function createServerAnnouncement({ dataDir, host }: Config): ServerAnnouncement {
  const path = join(dataDir, FILE);
  const operatorKey = `ck_operator_${randomBytes(KEY_BYTES).toString('base64url')}`;
  return {
    operatorKey,
    async publish(port) {
      const server: RunningServer = { url: `http://${hostToCall(host)}:${port}`, operatorKey };
      // Moved into its place whole, so that nobody reads half of it; the file is new, and thus of this mode.
      const unfinished = `${path}.${process.pid}`;
      await writeFile(unfinished, JSON.stringify(server), { mode: 0o600, flag: 'w' });
      await rename(unfinished, path);
    },
    async withdraw() {
      await rm(path, { force: true });
    },
  };
}

/** The server that has announced itself in `dataDir`. It may be dead: a killed one leaves its file. */
async function findRunningServer(dataDir: string): Promise<RunningServer | null> {
  try {
    return RunningServer.parse(JSON.parse(await readFile(join(dataDir, FILE), 'utf8')));
  } catch {
    return null;
  }
}

const PROBE_LIMIT_MS = 2_000;

/** The same, if it is alive. */
export async function findLiveServer(dataDir: string): Promise<RunningServer | null> {
  const server = await findRunningServer(dataDir);
  return server && (await isAlive(server)) ? server : null;
}

async function isAlive({ url }: RunningServer): Promise<boolean> {
  try {
    const signal = AbortSignal.timeout(PROBE_LIMIT_MS);
    return (await fetch(`${url}/api/v1/health/live`, { signal })).ok;
  } catch {
    return false;
  }
}

function hostToCall(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return host.includes(':') ? `[${host}]` : host;
}
