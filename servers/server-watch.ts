import type { Logger } from '../core/logger.ts';
import type { ServerRegistration } from '../core/schemas/server-registration.ts';
import { createCheckSchedule } from './check-schedule.ts';
import { discoverServers, type IdentifyServer } from './discovery.ts';
import type { ModelClient } from './model-client.ts';
import type { KnownServer, Registry } from './registry.ts';

/** Starts the demo model server; resolves with its registration and its stop. */
export type StartDemo = () => Promise<{ registration: ServerRegistration; stop(): Promise<void> }>;

/** Keeps the registry true: asks each server how it is and what it has, looks for new ones on loopback, and runs the
 *  demo model while there is no other. */
export interface ServerWatch {
  /** Resolves after the first look at everything. */
  start(): Promise<void>;
  /** Starts what is due by now, which happens by itself too; resolves when that has ended. */
  tick(): Promise<void>;
  /** Ends what is under way, and waits for it. */
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
  /** The same, for a server that is suspicious or unhealthy. */
  suspiciousIntervalMs: number;
  timeoutMs: number;
  logger: Logger;
  /** Of a monotonic clock, in ms. */
  now?: () => number;
  random?: () => number;
}

const monotonicNow = () => performance.now();

export function createServerWatch(options: ServerWatchOptions): ServerWatch {
  const { registry, serverKeys, intervalMs, timeoutMs, logger } = options;
  const { now = monotonicNow, random = Math.random } = options;
  const stopped = new AbortController();
  const schedule = createCheckSchedule({ ...options, now, random });
  let demo: Awaited<ReturnType<StartDemo>> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let looking: Promise<void> | undefined;
  let lookMs = now();
  let started = false;
  let failedMs = Number.NEGATIVE_INFINITY;
  let unsubscribe = () => {};

  return {
    async start() {
      for (const registration of options.servers) registry.put(registration, serverKeys[registration.id]);
      await tick();
      if (stopped.signal.aborted) return;
      started = true;
      unsubscribe = registry.onChange(wakeInTime);
      wakeInTime();
    },
    tick,
    async stop() {
      unsubscribe();
      clearTimeout(timer);
      stopped.abort(new Error('the watch has stopped'));
      await looking?.catch(() => {});
      await schedule.idle();
      const running = demo;
      demo = undefined;
      await running?.stop();
    },
  };

  async function tick(): Promise<void> {
    const known = startChecks();
    // What it has found is due at once.
    await lookAround().finally(wakeInTime);
    await Promise.all([known, startChecks()]);
  }

  async function startChecks(): Promise<void> {
    const due = schedule.takeDue(registry.servers());
    // Each for itself: a check that hangs holds up no other.
    await Promise.all(due.map((id) => schedule.run(id, check).then(wakeInTime)));
  }

  function wakeInTime(): void {
    if (!started || stopped.signal.aborted) return;
    clearTimeout(timer);
    const dueMs = Math.min(lookDueMs(), schedule.nextMs(registry.servers()));
    // Nothing is due before something under way has ended, which comes back here.
    if (dueMs === Number.POSITIVE_INFINITY) return;
    timer = setTimeout(wake, Math.max(0, dueMs - now()));
  }

  function lookDueMs(): number {
    if (looking) return Number.POSITIVE_INFINITY;
    const isSettled = isDemoWanted() === (demo !== undefined);
    return isSettled ? lookMs : Math.min(lookMs, failedMs + intervalMs);
  }

  function wake(): void {
    tick().catch((error) => {
      failedMs = now();
      logger.error('the look at the servers failed', { error });
      wakeInTime();
    });
  }

  // One look at a time: two at once would each start a demo.
  function lookAround(): Promise<void> {
    looking ??= look().finally(() => {
      looking = undefined;
    });
    return looking;
  }

  async function look(): Promise<void> {
    if (stopped.signal.aborted) return;
    if (options.discover && now() >= lookMs) await discover();
    if (now() >= lookMs) lookMs = now() + intervalMs;
    await settleDemo();
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
    const wanted = isDemoWanted();
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

  function isDemoWanted(): boolean {
    if (options.demo !== 'auto') return options.demo === 'on';
    return registry.servers().every(({ address }) => address.id === demo?.registration.id);
  }

  async function check(id: string): Promise<void> {
    const server = registry.server(id);
    if (!server || stopped.signal.aborted) return;
    const before = server.health.checks.state;
    try {
      const report = await options.client.report(server.address, timeoutMs, stopped.signal);
      if (stopped.signal.aborted || !isCurrent(server)) return;
      registry.report(id, report, Date.now());
      if (before === 'unhealthy') logger.info('a model server is back', { server: id });
    } catch (error) {
      if (stopped.signal.aborted || !isCurrent(server)) return;
      registry.report(id, null, Date.now());
      if (before !== 'unhealthy' && server.health.checks.state === 'unhealthy') {
        logger.warn('a model server does not answer', { server: id, error: error as Error });
      }
    }
  }

  /** What was asked of a server that has been registered anew meanwhile says nothing of the new one. */
  function isCurrent(server: KnownServer): boolean {
    return registry.server(server.address.id) === server;
  }
}
