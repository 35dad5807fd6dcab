import { MODEL_CLASSES, type ModelClass } from '../core/schemas/model-class.ts';
import type { QueueSystem } from '../jobs/queue-system.ts';
import { type KnownServer, type Registry, takesWork } from '../servers/registry.ts';

type ClusterStatus = 'healthy' | 'degraded' | 'unhealthy';
type Reach = 'up' | 'down';

/** A store that requests or their records need. */
export interface HealthStore {
  name: string;
  kind: string;
  /** Throws when it does not answer. */
  ping(): Promise<unknown>;
}

export interface HealthDeps {
  registry: Registry;
  queues: Pick<QueueSystem, 'queue'>;
  stores: readonly HealthStore[];
  inFlight(serverId: string): number;
}

const STORE_LIMIT_MS = 2_000;

/** Servers by how they do; draining ones and those not asked yet count as degraded. */
export function countServers(servers: readonly KnownServer[]) {
  const countOf = (...states: KnownServer['state'][]) =>
    servers.filter(({ state }) => states.includes(state)).length;
  return {
    total_servers: servers.length,
    healthy_servers: countOf('healthy'),
    degraded_servers: countOf('degraded', 'draining', 'unknown'),
    unhealthy_servers: countOf('unhealthy'),
  };
}

/** `unhealthy` when no model can be called; `degraded` when some part is not as it should be. */
export function statusOf(servers: readonly KnownServer[], stores: readonly Reach[] = []): ClusterStatus {
  if (!servers.some(takesWork) || (stores.length > 0 && stores.every((reach) => reach === 'down'))) {
    return 'unhealthy';
  }
  const isWhole = servers.every(({ state }) => state === 'healthy') && !stores.includes('down');
  return isWhole ? 'healthy' : 'degraded';
}

/** Whether each store answers within 2 s. */
export async function readStores(stores: readonly HealthStore[]) {
  const entries = await Promise.all(
    stores.map(async ({ name, kind, ping }) => {
      const answered = await settleWithin(ping().then(() => true));
      return [name, { kind, status: answered ? 'up' : 'down' }] as const;
    }),
  );
  return Object.fromEntries<{ kind: string; status: Reach }>(entries);
}

/** Jobs in each class's queue; null where the store does not say within 2 s. */
export async function readQueues({ queues }: Pick<HealthDeps, 'queues'>) {
  const entries = await Promise.all(
    MODEL_CLASSES.map(async (modelClass) => {
      const queue = queues.queue(modelClass);
      const [counts, paused] = await Promise.all([
        settleWithin(queue.counts()),
        settleWithin(queue.isPaused()),
      ]);
      const { waiting = null, active = null, delayed = null, dead = null } = counts ?? {};
      const status = counts ? 'up' : 'down';
      return [modelClass, { status, paused, waiting, active, delayed, dead }] as const;
    }),
  );
  return Object.fromEntries(entries) as Record<ModelClass, (typeof entries)[number][1]>;
}

/** Null when it fails or takes longer than 2 s. */
async function settleWithin<T>(work: Promise<T>): Promise<T | null> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), STORE_LIMIT_MS);
  });
  try {
    return await Promise.race([work.catch(() => null), limit]);
  } finally {
    clearTimeout(timer);
  }
}
