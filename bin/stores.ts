import { join } from 'node:path';
import type { Config } from '../core/config.ts';
import { AppError } from '../core/errors.ts';
import type { InboxId } from '../core/ids.ts';
import type { Lifecycle } from '../core/lifecycle.ts';
import type { Logger } from '../core/logger.ts';
import { maskSecrets } from '../core/mask-secrets.ts';
import type { NodePostgresSource, SqlPool } from '../core/sql-pool.ts';
import { createPostgresQueues, type PostgresQueues } from '../queues/postgres-queues.ts';
import { createRedisQueues, type RedisQueues } from '../queues/redis-queues.ts';
import { migrate } from '../storage/migrate.ts';
import { createPgPool } from '../storage/pg-pool.ts';
import { createPglitePool } from '../storage/pglite-pool.ts';

export type Store = SqlPool & NodePostgresSource;
export type Queues = RedisQueues | PostgresQueues;

interface StoreDeps {
  config: Config;
  life: Lifecycle;
  logger: Logger;
  /** The store died for good: the process must end. */
  onFatal: (error: Error) => void;
}

/** The database that the configuration names, its schema up to date. Throws an Error for the operator. */
export async function openStore({ config, life, logger, onFatal }: StoreDeps): Promise<Store> {
  const pool = await openPool({ config, life, logger, onFatal });
  try {
    await migrate(pool);
    life.defer('store', () => pool.close());
  } catch (error) {
    await pool.close();
    if (error instanceof AppError || config.databaseUrl === undefined) throw error;
    const url = maskSecrets(config.databaseUrl);
    throw new Error(`The database ${url} cannot be used: ${(error as Error).message}`, { cause: error });
  }
  return pool;
}

async function openPool({ config, logger, onFatal }: StoreDeps): Promise<Store> {
  if (config.databaseUrl === undefined) {
    return await createPglitePool({ dataDir: join(config.dataDir, 'pglite'), onFatal });
  }
  return createPgPool(config.databaseUrl, {
    onError: (error) => logger.warn('a database connection was lost', { error }),
  });
}

/** The queues on Redis where the configuration names one, else on `store`. */
export async function openQueues(
  { config, life, logger }: Omit<StoreDeps, 'onFatal'>,
  inbox: InboxId,
  store: Store | null,
): Promise<Queues> {
  const queues = await (config.redisUrl === undefined
    ? createPostgresQueues({ pool: requireStore(store), inbox, logger })
    : createRedisQueues({ url: config.redisUrl, inbox, allowUnsafe: config.allowUnsafeRedis, logger }));
  life.defer('queues', () => queues.close());
  return queues;
}

function requireStore(store: Store | null): Store {
  if (!store) throw new Error('Queues without Redis need a store.');
  return store;
}
