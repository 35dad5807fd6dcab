import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import type { OwnedProcesses } from '../bench/owned-processes.ts';
import type { SqlPool } from '../core/sql-pool.ts';
import { createPgPool } from '../storage/pg-pool.ts';
import { createPglitePool } from '../storage/pglite-pool.ts';
import { freePort } from '../test/support/free-port.ts';
import { startPostgres } from '../test/support/postgres.ts';
import { redisService, startRedis } from '../test/support/redis.ts';
import type { StoreControls } from './fault-player.ts';
import { type Death, type Member, type MemberOptions, startMember } from './member.ts';

/** The processes of a trial. */
export interface Fleet {
  members: readonly Member[];
  /** Null in the embedded size. */
  stores: StoreControls | null;
  /** Reads the tables; in the embedded size it first ends the process that has them. */
  openTables(): Promise<SqlPool>;
  stop(): Promise<void>;
}

export interface FleetOptions {
  directory: string;
  processes: OwnedProcesses;
  /** In each process's environment. */
  env: Record<string, string>;
  nextFailPoints(): string;
  onDeath(death: Death): void;
}

export const API_NAMES = ['api-1', 'api-2'] as const;
export const WORKER_NAMES = ['worker-1', 'worker-2', 'worker-3'] as const;
export const EMBEDDED_NAME = 'up';

const CITADEL = fileURLToPath(new URL('../bin/citadel.mjs', import.meta.url));
const WORKER_CLASSES = 'lightweight,heavyweight,embedding,workflow';

/** Two API processes and three workers on a Redis and a Postgres. Throws where these are not installed. */
export async function startFleet(options: FleetOptions): Promise<Fleet> {
  if (!redisService.isInstalled) throw new Error(`Needs ${redisService.name}: ${redisService.install}`);
  const postgres = await startPostgres();
  if (postgres === null) throw new Error('Needs Postgres: apt-get install postgresql');
  options.processes.adopt(postgres);
  const redis = await startRedis();
  options.processes.adopt(redis);
  const env = { ...options.env, REDIS_URL: redis.url, DATABASE_URL: postgres.url };

  const members: Member[] = [];
  for (const name of API_NAMES) members.push(await startServing({ ...options, env }, name, ['api']));
  for (const name of WORKER_NAMES) {
    const args = ['worker', '--class', WORKER_CLASSES];
    members.push(
      startMember({ ...commonOf({ ...options, env }), name, args: [CITADEL, ...args], url: null }),
    );
  }
  return {
    members,
    stores: {
      async killRedis() {
        await redis.kill();
        await redis.restart();
      },
      flushRedis: () => flush(redis.url),
      restartPostgres: () => postgres.restart(),
      async killPostgres() {
        await postgres.kill();
        await postgres.restart();
      },
    },
    openTables: async () => createPgPool(postgres.url),
    async stop() {
      await Promise.all(members.map((member) => member.stop()));
    },
  };
}

/** One process with everything in it. */
export async function startEmbedded(options: FleetOptions): Promise<Fleet> {
  const member = await startServing(options, EMBEDDED_NAME, ['up']);
  const { CITADEL_DATA_DIR: dataDir } = options.env;
  return {
    members: [member],
    stores: null,
    async openTables() {
      await member.stop();
      return await createPglitePool({
        dataDir: `${dataDir}/pglite`,
        onFatal: (error) => console.error(error),
      });
    },
    stop: () => member.stop(),
  };
}

async function startServing(options: FleetOptions, name: string, args: readonly string[]): Promise<Member> {
  const port = await freePort();
  const env = { ...options.env, PORT: String(port) };
  return startMember({
    ...commonOf({ ...options, env }),
    name,
    args: [CITADEL, ...args],
    url: `http://127.0.0.1:${port}`,
  });
}

function commonOf({
  processes,
  env,
  nextFailPoints,
  onDeath,
}: FleetOptions): Omit<MemberOptions, 'name' | 'args' | 'url'> {
  return { command: process.execPath, env, processes, nextFailPoints, onDeath };
}

async function flush(url: string): Promise<void> {
  const client = new Redis(url, { maxRetriesPerRequest: 5 });
  client.on('error', () => {});
  await client.flushall().catch(() => {});
  client.disconnect();
}
