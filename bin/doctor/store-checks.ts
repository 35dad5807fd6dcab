import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../../core/config.ts';
import { examineRedis } from '../../queues/redis-examination.ts';
import { type DatabaseExamination, examineDatabase } from '../../storage/database-examination.ts';
import { newestSchemaVersion } from '../../storage/migrate.ts';
import { createPgPool } from '../../storage/pg-pool.ts';
import { createPglitePool } from '../../storage/pglite-pool.ts';
import { createApiClient } from '../api-client.ts';
import type { RunningServer } from '../server-announcement.ts';
import { type Check, type Finding, ok, problem, warn } from './finding.ts';

type Found = Omit<Finding, 'check'>;

/** The database as it was found; a promise, because several checks wait for it. Null where it cannot be asked here. */
export type ExaminedDatabase = Promise<{ found: DatabaseExamination; skewMs: number } | null>;

const OLDEST_POSTGRES = 14;
/** What one process may use: its pool, its queues, and what listens. */
const CONNECTIONS_OF_A_PROCESS = 35;
const SKEW_MS_WARN = 500;
const SKEW_MS_MAX = 5_000;
const ASK_LIMIT_MS = 5_000;

/** Opens the configured database for a moment and changes nothing in it. Null for an embedded one that a running server has, or that is not made
 *  yet. */
export async function openExamination(config: Config, server: RunningServer | null): ExaminedDatabase {
  if (config.databaseUrl !== undefined) return await examine(createPgPool(config.databaseUrl, { max: 1 }));
  const dataDir = join(config.dataDir, 'pglite');
  if (server || !existsSync(join(dataDir, 'postgres'))) return null;
  return await examine(await createPglitePool({ dataDir }));
}

async function examine(pool: Parameters<typeof examineDatabase>[0] & { close(): Promise<void> }) {
  try {
    // The first query pays for the connection.
    await pool.query('SELECT 1');
    const sinceMs = Date.now();
    const found = await examineDatabase(pool);
    return { found, skewMs: found.clockMs - sinceMs };
  } finally {
    await pool.close();
  }
}

export function databaseCheck(
  config: Config,
  examined: ExaminedDatabase,
  server: RunningServer | null,
): Check {
  return {
    name: 'database',
    async run() {
      if (config.databaseUrl === undefined) return await embeddedFindings(examined, server);
      const result = await examined.catch((error: Error) => error);
      if (result instanceof Error) {
        const cure = 'Start it, and see that DATABASE_URL names its host, port, user, password and database.';
        return [problem(`Postgres cannot be used: ${result.message}`, cure)];
      }
      return result ? await postgresFindings(config, result.found) : [];
    },
  };
}

const EMBEDDED_CURE =
  'Where the machine itself may fail, set DATABASE_URL to a Postgres (citadel move --to takes the data there).';

async function embeddedFindings(examined: ExaminedDatabase, server: RunningServer | null): Promise<Found[]> {
  const durability = warn(
    'embedded: what was written survives the end of the process, but not always that of the machine (no fsync)',
    EMBEDDED_CURE,
  );
  if (server) return [await askServer(server), durability];
  const result = await examined.catch((error: Error) => error);
  if (result instanceof Error) {
    const cure = 'Stop what has it open, or restore a backup (citadel restore <file>).';
    return [problem(`the embedded database cannot be opened: ${result.message}`, cure)];
  }
  if (!result) return [ok('embedded: made at the first start'), durability];
  return [await schemaFinding(result.found), durability];
}

/** Its data directory is its own: the server that has it is asked. */
async function askServer({ url, operatorKey }: RunningServer): Promise<Found> {
  const { status, stores } = await createApiClient(url, operatorKey).get<{
    status: string;
    stores: Record<string, { status: string }>;
  }>('/api/v1/health');
  const down = Object.entries(stores).filter(([, store]) => store.status !== 'up');
  if (down.length === 0) return ok(`embedded, and up in the running Citadel (which is ${status})`);
  return problem(
    `${down.map(([name]) => name).join(' and ')} down in the running Citadel`,
    'Look at its log; start it again.',
  );
}

async function postgresFindings({ qdrantUrl }: Config, found: DatabaseExamination): Promise<Found[]> {
  const findings: Found[] = [];
  findings.push(
    Number.parseInt(found.version, 10) < OLDEST_POSTGRES
      ? problem(`Postgres ${found.version}`, `Use Postgres ${OLDEST_POSTGRES} or newer.`)
      : ok(`Postgres ${found.version}`),
    await schemaFinding(found),
  );
  if (!found.isDurable) {
    const cure =
      'Set fsync = on and synchronous_commit = on: else a crash of its machine loses accepted work.';
    findings.push(warn('fsync or synchronous_commit is off', cure));
  }
  if (found.connectionsMax < CONNECTIONS_OF_A_PROCESS) {
    const cure = `Raise max_connections: a Citadel process uses up to ${CONNECTIONS_OF_A_PROCESS}.`;
    findings.push(warn(`max_connections is ${found.connectionsMax}`, cure));
  }
  if (qdrantUrl === undefined && found.pgvector === 'none') {
    const cure = 'Install pgvector 0.8 or newer, or set QDRANT_URL.';
    findings.push(warn('pgvector is not installed: documents are searched by words alone', cure));
  }
  return findings;
}

async function schemaFinding({ schemaVersion }: DatabaseExamination): Promise<Found> {
  const newest = await newestSchemaVersion();
  if (schemaVersion === newest) return ok(`its schema is up to date (${newest})`);
  const found = `its schema is at version ${schemaVersion}, and this Citadel knows ${newest}`;
  if (schemaVersion > newest) return problem(found, 'Use the newer Citadel that made it.');
  return warn(found, 'citadel migrate brings it up to date; so does the next start.');
}

export function redisCheck({ redisUrl, allowUnsafeRedis }: Config): Check {
  return {
    name: 'redis',
    async run() {
      if (redisUrl === undefined)
        return [ok('not configured: the queues are in the database, for one process')];
      const result = await examineRedis(redisUrl).catch((error: Error) => error);
      if (result instanceof Error) {
        const isRefused = /^(NOAUTH|WRONGPASS|NOPERM)/.test(result.message);
        const cure = isRefused
          ? 'Put its user and password into REDIS_URL: redis://user:password@host:6379 (no user: redis://:password@host:6379).'
          : 'Start it, and see that REDIS_URL names the host and port of a Redis.';
        return [problem(`it cannot be used: ${result.message}`, cure)];
      }
      const { version, faults, clockMs } = result;
      const say = allowUnsafeRedis ? warn : problem;
      return [
        ...(faults.length === 0 ? [ok(`version ${version}, AOF on, noeviction`)] : []),
        ...faults.map((fault) => {
          const [found = fault, cure = 'See docs/operations.md.'] = fault.split(/ Cure: (.*)/s);
          return say(found, cure);
        }),
        skewFinding('Redis', clockMs - Date.now()),
      ];
    },
  };
}

export function clockCheck(examined: ExaminedDatabase): Check {
  return {
    name: 'clock',
    async run() {
      const result = await examined.catch(() => null);
      return result ? [skewFinding('the database', result.skewMs)] : [ok('nothing to compare it with')];
    },
  };
}

function skewFinding(other: string, skewMs: number): Found {
  const found = `${Math.round(Math.abs(skewMs))} ms from that of ${other}`;
  const cure = 'Keep both machines to one time (chrony, systemd-timesyncd).';
  if (Math.abs(skewMs) >= SKEW_MS_MAX) return problem(found, cure);
  return Math.abs(skewMs) >= SKEW_MS_WARN ? warn(found, cure) : ok(found);
}

export function qdrantCheck({ qdrantUrl, qdrantApiKey }: Config): Check {
  return {
    name: 'qdrant',
    async run() {
      if (qdrantUrl === undefined) return [ok('not configured: the index of documents is in the database')];
      const url = `${qdrantUrl.replace(/\/+$/, '')}/collections`;
      const get = async (headers: Record<string, string>) =>
        (await fetch(url, { headers, signal: AbortSignal.timeout(ASK_LIMIT_MS) })).status;
      const status = await get(qdrantApiKey === undefined ? {} : { 'api-key': qdrantApiKey }).catch(
        ({ cause, message }: Error) => (cause as Error | undefined)?.message || message,
      );
      if (status === 401 || status === 403) {
        return [problem('it refuses our key', 'Set QDRANT_API_KEY to the key that it was started with.')];
      }
      if (status !== 200) {
        return [problem(`it does not answer (${status})`, 'Start it, and see that QDRANT_URL is right.')];
      }
      if ((await get({})) !== 200) return [ok('it answers, and asks for a key')];
      return [
        warn(
          'it answers anybody, without a key',
          'Start it with QDRANT__SERVICE__API_KEY, and set QDRANT_API_KEY, unless it is on a network of its own.',
        ),
      ];
    },
  };
}
