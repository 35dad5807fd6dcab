import type { Config } from '../core/config.ts';
import type { Lifecycle } from '../core/lifecycle.ts';
import type { Logger } from '../core/logger.ts';
import type { ModelClass } from '../core/schemas/model-class.ts';
import type { SqlPool } from '../core/sql-pool.ts';
import type { ReplyBus } from '../jobs/reply-bus.ts';
import { type AddressGuard, createAddressGuard } from '../outbound/address-guard.ts';
import { createModelClient } from '../outbound/model-client.ts';
import { identifyServer } from '../outbound/probe-address.ts';
import { createDemoServer } from '../servers/demo/demo-server.ts';
import type { ServerAddress } from '../servers/model-client.ts';
import { createRegistry, type Registry } from '../servers/registry.ts';
import { createRegistrySync } from '../servers/registry-sync.ts';
import { createServerAdmin, type ServerAdmin } from '../servers/server-admin.ts';
import { createServerOverlay } from '../servers/server-overlay.ts';
import { createServerWatch, type ServerWatch, type StartDemo } from '../servers/server-watch.ts';
import { createPostgresServerStore } from '../storage/postgres-server-store.ts';
import type { DatabaseWait } from './store-wait.ts';

interface ModelSideDeps {
  config: Config;
  life: Lifecycle;
  logger: Logger;
  bus: ReplyBus;
  /** Null in a process that has none. */
  store: SqlPool | null;
  waitFor: DatabaseWait;
}

export interface ModelSide {
  registry: Registry;
  client: ReturnType<typeof createModelClient>;
  /** Null in a process without a store. */
  serverAdmin: ServerAdmin | null;
}

/** What of a demo answer's pace looks like a model. */
const DEMO_PACE = { firstTokenMs: 30, tokenMs: 10 };
const DEMO_ID = 'demo';
/** A registration waits no longer for its server. */
const FIRST_REPORT_MS = 2_000;

/** The model servers: known, found, or the demo; with the client that calls them. Resolves after the first look. */
export async function openModelSide(deps: ModelSideDeps): Promise<ModelSide> {
  const { config, life, logger } = deps;
  const registry = createRegistry({ models: classModels(config) }, config.health);
  const guard = createAddressGuard(config.networks.servers);
  const client = createModelClient({ guard });
  life.defer('model client', () => client.close());
  const serverAdmin = await shareRegistry(deps, { registry, guard, client });
  const watch = createServerWatch({
    registry,
    client,
    identify: (origin, timeoutMs, signal) => identifyServer(guard, origin, timeoutMs, signal),
    startDemo,
    servers: config.servers,
    serverKeys: config.serverKeys,
    discover: config.discover,
    demo: config.demo,
    ownPorts: new Set([config.port]),
    intervalMs: config.health.intervalMs,
    suspiciousIntervalMs: config.health.suspiciousIntervalMs,
    timeoutMs: config.health.timeoutMs,
    logger,
  });
  await watch.start();
  life.defer('server watch', () => watch.stop());
  life.defer('end of the demo', endDemoWithFirstServer(registry, watch));
  return { registry, client, serverAdmin };
}

/** Makes the registry the same in every process; gives what changes it, in a process that has a store. */
async function shareRegistry(
  { config, life, logger, bus, store: pool, waitFor }: ModelSideDeps,
  { registry, guard, client }: Pick<ModelSide, 'registry' | 'client'> & { guard: AddressGuard },
): Promise<ServerAdmin | null> {
  const { readServerKey: readKey } = config;
  const store = pool && createPostgresServerStore(pool);
  const overlay = createServerOverlay(registry, readKey);
  const timeoutMs = Math.min(config.health.timeoutMs, FIRST_REPORT_MS);
  const ask = (address: ServerAddress) => client.report(address, timeoutMs).catch(() => null);
  const sync = createRegistrySync({
    registry,
    overlay,
    bus,
    store,
    async ask(id) {
      const server = registry.servers().find(({ address }) => address.id === id);
      if (server) registry.report(id, await ask(server.address), Date.now());
    },
    logger,
  });
  life.defer('registry sync', () => sync.stop());
  await waitFor(() => sync.start());
  if (!store) return null;
  const isAllowed = (hostname: string) => guard.allowsHost(hostname);
  return createServerAdmin({ registry, overlay, store, sync, isAllowed, readKey, ask });
}

/** The demo runs while no real server is known: the watch looks at once when one comes, and not at its next turn. */
function endDemoWithFirstServer(registry: Registry, watch: Pick<ServerWatch, 'tick'>): () => void {
  const needsLook = () => {
    const ids = registry.servers().map(({ address }) => address.id);
    return ids.length === 0 || (ids.includes(DEMO_ID) && ids.length > 1);
  };
  let looked = needsLook();
  return registry.onChange(() => {
    const needed = needsLook();
    if (needed && !looked) watch.tick().catch(() => {});
    looked = needed;
  });
}

export function classModels({ classes }: Config): Record<ModelClass, string[]> {
  return {
    lightweight: classes.lightweight.models,
    heavyweight: classes.heavyweight.models,
    embedding: classes.embedding.models,
  };
}

const startDemo: StartDemo = async () => {
  const server = createDemoServer({ pacing: DEMO_PACE });
  await server.start();
  return {
    registration: {
      id: DEMO_ID,
      hostname: '127.0.0.1',
      port: server.port,
      protocol: 'openai',
      base_path: '/v1',
      weight: 1,
      models: [],
    },
    stop: () => server.stop(),
  };
};
