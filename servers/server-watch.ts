import type { Logger } from '../core/logger.ts';
import type { ServerRegistration } from '../core/schemas/server-registration.ts';
import { discoverServers, type IdentifyServer } from './discovery.ts';
import type { ModelClient } from './model-client.ts';
import type { Registry } from './registry.ts';

/** Starts the demo model server; resolves with its registration and its stop. */
export type StartDemo = () => Promise<{ registration: ServerRegistration; stop(): Promise<void> }>;

/** Keeps the registry true: asks each server what it has, looks for new ones on loopback, and runs the demo model
 *  while there is no other. */
export interface ServerWatch {
  /** Resolves after the first look at everything. */
  start(): Promise<void>;
  /** Looks at everything once, now; joins the look that is under way, if there is one. */
  tick(): Promise<void>;
  stop(): Promise<void>;
}

interface ServerWatchOptions {
  registry: Registry;
  client: Pick<ModelClient, 'report'>;
  identify: IdentifyServer;
  startDemo: StartDemo;
  servers: readonly ServerRegistration[];
  /** By server id. */
  serverKeys: Readonly<Record<string, string>>;
  discover: boolean;
  demo: 'auto' | 'on' | 'off';
  /** Citadel's own ports, never taken for a model server. */
  ownPorts: ReadonlySet<number>;
  intervalMs: number;
  timeoutMs: number;
  logger: Logger;
}

export function createServerWatch(options: ServerWatchOptions): ServerWatch {
  const { registry, client, serverKeys, intervalMs, timeoutMs, logger } = options;
  const stopped = new AbortController();
  let demo: Awaited<ReturnType<StartDemo>> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let looking: Promise<void> | undefined;

  return {
    async start() {
      for (const registration of options.servers) registry.put(registration, serverKeys[registration.id]);
      await tick();
      if (stopped.signal.aborted) return;
      timer = setInterval(() => {
        tick().catch((error) => logger.error('the look at the servers failed', { error }));
      }, intervalMs);
    },
    tick,
    async stop() {
      clearInterval(timer);
      stopped.abort();
      await looking?.catch(() => {});
      const running = demo;
      demo = undefined;
      await running?.stop();
    },
  };

  // One look at a time: two at once would each start a demo.
  function tick(): Promise<void> {
    looking ??= look().finally(() => {
      looking = undefined;
    });
    return looking;
  }

  async function look(): Promise<void> {
    if (stopped.signal.aborted) return;
    if (options.discover) await discover();
    await settleDemo();
    await Promise.all(registry.servers().map(({ address }) => ask(address.id)));
  }

  async function discover(): Promise<void> {
    const known = registry.servers().map(({ registration }) => registration.port);
    const found = await discoverServers(
      options.identify,
      new Set([...options.ownPorts, ...known]),
      stopped.signal,
    );
    const names = new Set(registry.servers().map(({ address }) => address.id));
    for (const { registration, product } of found) {
      // A server that was configured under a usual name stays what it is.
      if (names.has(registration.id)) continue;
      registry.put(registration);
      logger.info('found a model server', { server: registration.id, product, port: registration.port });
    }
  }

  async function settleDemo(): Promise<void> {
    const realServers = registry.servers().filter(({ address }) => address.id !== demo?.registration.id);
    const wanted = options.demo === 'on' || (options.demo === 'auto' && realServers.length === 0);
    if (wanted && !demo) {
      demo = await options.startDemo();
      registry.put(demo.registration);
    }
    if (!wanted && demo) {
      registry.remove(demo.registration.id);
      const { stop } = demo;
      demo = undefined;
      await stop();
    }
  }

  async function ask(id: string): Promise<void> {
    const server = registry.servers().find(({ address }) => address.id === id);
    if (!server) return;
    const before = server.state;
    try {
      registry.report(id, await client.report(server.address, timeoutMs), Date.now());
      if (before === 'unhealthy') logger.info('a model server is back', { server: id });
    } catch (error) {
      registry.report(id, null, Date.now());
      if (before !== 'unhealthy')
        logger.warn('a model server does not answer', { server: id, error: error as Error });
    }
  }
}
