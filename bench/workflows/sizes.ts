import { freePort } from '../../test/support/free-port.ts';
import { postgresService } from '../../test/support/postgres.ts';
import { redisService } from '../../test/support/redis.ts';
import type { OwnedProcess } from '../owned-processes.ts';
import {
  citadelEnvironment,
  postgresEnvironment,
  type Surroundings,
  startCitadel,
  startRedis,
  whenReady,
} from '../subjects.ts';

export const SIZE_IDS = ['embedded', 'server', 'fleet'] as const;
export type SizeId = (typeof SIZE_IDS)[number];

export const SIZE_TITLES = {
  embedded: 'embedded',
  server: 'Redis + Postgres, one process',
  fleet: 'Redis + Postgres, API + worker',
} as const satisfies Record<SizeId, string>;

export interface RunningSize {
  id: SizeId;
  origin: string;
  headers: Record<string, string>;
  processes: readonly OwnedProcess[];
}

export function isSizeId(text: string): text is SizeId {
  return SIZE_IDS.some((id) => id === text);
}

/** Why this machine cannot run it; null where it can. */
export function missingFor(id: SizeId): string | null {
  if (id === 'embedded') return null;
  const lacking = [redisService, postgresService].find(({ isInstalled }) => !isInstalled);
  return lacking === undefined ? null : `${lacking.name} is not installed: ${lacking.install}`;
}

/** Starts Citadel in front of the model server on `serverPort`. Throws an Error with its last words when it does not answer. */
export async function startSize(id: SizeId, serverPort: number, around: Surroundings): Promise<RunningSize> {
  const port = await freePort();
  const base = { ...(await citadelEnvironment(serverPort, around)), PORT: String(port) };
  const stores = id === 'embedded' ? null : await startRedis(id, around);
  const env = {
    ...base,
    ...(stores === null ? {} : { REDIS_URL: stores.url, ...(await postgresEnvironment(around)) }),
  };
  const { PORT: _, ...workerEnv } = env;
  const processes =
    id === 'fleet'
      ? [
          startCitadel(`work-${id}`, ['api'], { env, around }),
          startCitadel(`work-${id}`, ['worker', '--class', 'lightweight'], { env: workerEnv, around }),
        ]
      : [startCitadel(`work-${id}`, ['up'], { env, around })];
  return await whenReady({ id, origin: `http://127.0.0.1:${port}`, headers: {}, processes }, around);
}
