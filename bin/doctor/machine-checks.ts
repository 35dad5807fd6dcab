import { existsSync } from 'node:fs';
import { access, constants, stat, statfs } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname } from 'node:path';
import type { Config } from '../../core/config.ts';
import { addressUrl } from '../address-url.ts';
import type { RunningServer } from '../server-announcement.ts';
import { type Check, ok, problem, warn } from './finding.ts';

const OLDEST_NODE = 20;
const FREE_BYTES_LOW = 2 * 1024 ** 3;
const FREE_BYTES_MIN = 256 * 1024 ** 2;
const PROBE_LIMIT_MS = 2_000;

export const nodeCheck: Check = {
  name: 'node',
  async run() {
    const { node } = process.versions;
    if (Number.parseInt(node, 10) >= OLDEST_NODE) return [ok(`version ${node}`)];
    return [problem(`version ${node}`, `Install Node ${OLDEST_NODE} or newer.`)];
  },
};

/** The place of the embedded store and of uploads. */
export function directoryCheck({ dataDir, databaseUrl }: Config, server: RunningServer | null): Check {
  return {
    name: 'data directory',
    async run() {
      if (server) return [ok(`${dataDir} is in use by the Citadel at ${server.url}`)];
      if (databaseUrl !== undefined && !existsSync(dataDir)) return [ok('not needed: the database has all')];
      const place = nearestThere(dataDir);
      if (!(await stat(place)).isDirectory()) {
        return [problem(`${place} is not a directory`, 'Move it away, or set CITADEL_DATA_DIR.')];
      }
      const isWritable = await access(place, constants.W_OK | constants.X_OK).then(
        () => true,
        () => false,
      );
      if (!isWritable) {
        const cure = `Give the user that runs Citadel the right to write there, or set CITADEL_DATA_DIR.`;
        return [problem(`${place} cannot be written`, cure)];
      }
      return [
        ok(place === dataDir ? `${dataDir} can be written` : `${dataDir} will be made at the first start`),
      ];
    },
  };
}

export function diskCheck({ dataDir }: Config): Check {
  return {
    name: 'disk',
    async run() {
      const { bavail, bsize } = await statfs(nearestThere(dataDir));
      const freeBytes = bavail * bsize;
      const found = `${(freeBytes / 1024 ** 3).toFixed(1)} GiB free for ${dataDir}`;
      const cure = 'Make room, or set CITADEL_DATA_DIR to a larger disk: a full one stops every write.';
      if (freeBytes < FREE_BYTES_MIN) return [problem(found, cure)];
      return [freeBytes < FREE_BYTES_LOW ? warn(found, cure) : ok(found)];
    },
  };
}

export function portCheck({ host, port }: Config, server: RunningServer | null): Check {
  return {
    name: 'port',
    async run() {
      if (port === 0) return [ok('any free one')];
      const reason = await whyTaken(host, port);
      if (reason === null) return [ok(`${host}:${port} is free`)];
      if (reason !== 'EADDRINUSE')
        return [
          problem(`${host}:${port} cannot be listened on (${reason})`, LISTEN_CURES[reason] ?? HOST_CURE),
        ];
      const cure = 'Set PORT to another one, or stop what listens there.';
      if (server?.url.endsWith(`:${port}`) || (await isCitadel({ host, port }))) {
        return [ok(`${host}:${port} is held by a running Citadel`)];
      }
      return [problem(`${host}:${port} is held by another program`, cure)];
    },
  };
}

const HOST_CURE =
  'Set HOST to an address of this machine: 127.0.0.1 for this machine alone, 0.0.0.0 for all of its addresses.';
const LISTEN_CURES: Record<string, string> = {
  EACCES: 'Set PORT to 1024 or above, or give whoever runs Citadel the right to lower ones.',
};

function nearestThere(path: string): string {
  return existsSync(path) || dirname(path) === path ? path : nearestThere(dirname(path));
}

/** Null when the port is free, else the code of the error. */
function whyTaken(host: string, port: number): Promise<string | null> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    probe.listen({ host, port, exclusive: true }, () => probe.close(() => resolve(null)));
  });
}

async function isCitadel(address: { host: string; port: number }): Promise<boolean> {
  const host = { '0.0.0.0': '127.0.0.1', '::': '::1' }[address.host] ?? address.host;
  try {
    const signal = AbortSignal.timeout(PROBE_LIMIT_MS);
    const answer = await fetch(`${addressUrl({ ...address, host })}/api/v1/health/live`, { signal });
    return answer.ok && answer.headers.has('x-request-id');
  } catch {
    return false;
  }
}
