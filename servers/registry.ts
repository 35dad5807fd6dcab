// I1: reading the registry never leaves the process: requests see a snapshot that changes only by the calls below.
// I2: a server's health outlives a new registration, as long as its address stays.
import { ModelClass } from '../core/schemas/model-class.ts';
import type { ServerRegistration } from '../core/schemas/server-registration.ts';
import { type ClassRules, classifyModel } from './model-class.ts';
import type { ServerAddress } from './model-client.ts';
import type { ModelInfo, ServerReport } from './model-server.ts';
import { toServerAddress } from './server-address.ts';
import { afterCheck, type HealthRules, type ServerHealth, stateOf, UNKNOWN_HEALTH } from './server-health.ts';

/**
 * - `unknown`: not asked yet; takes work.
 * - `degraded`: it answers, but it has failed of late; takes work.
 * - `unhealthy`: takes none until it has shown that it is back.
 * - `draining`: an operator has taken it out; what runs there goes on.
 */
export type ServerState = 'unknown' | 'healthy' | 'degraded' | 'unhealthy' | 'draining';

export interface KnownServer {
  readonly registration: ServerRegistration;
  readonly address: ServerAddress;
  /** Classes that its capabilities name; empty when they name none: then it serves every class. */
  readonly classes: readonly ModelClass[];
  /** By model id: what it reported, and what its registration names. */
  models: ReadonlyMap<string, ModelInfo>;
  /** What its state, and the two counts, come from. */
  health: ServerHealth;
  state: ServerState;
  /** Checks in a row that it failed, or passed. */
  consecutiveFailures: number;
  consecutiveSuccesses: number;
  /** When it last answered (unix ms); null if never. */
  lastSeenMs: number | null;
}

export interface KnownModel {
  id: string;
  info: ModelInfo;
  modelClass: ModelClass;
  /** Every server that has it, healthy or not. */
  servers: readonly KnownServer[];
}

export interface Registry {
  put(registration: ServerRegistration, apiKey?: string): KnownServer;
  remove(id: string): boolean;
  /** Takes in what the server said of itself when it was checked, or null when it did not answer. */
  report(id: string, report: ServerReport | null, nowMs: number): void;
  /** Takes in what calls have shown of the server. */
  setHealth(id: string, health: ServerHealth): void;
  /** Takes a server out, or back in. False when there is none of this id. */
  setDraining(id: string, draining: boolean): boolean;
  /** Has models be of the classes that these say from now on. */
  setRules(rules: ClassRules): void;
  server(id: string): KnownServer | null;
  servers(): readonly KnownServer[];
  /** Models of servers that take work, by name. */
  models(): readonly KnownModel[];
  /** A model by its id, or by its id without `:latest`; of servers that take no work too. */
  findModel(id: string): KnownModel | null;
  /** Calls `listener` after each change. Returns the function that ends it. */
  onChange(listener: () => void): () => void;
}

const LATEST = ':latest';

const HEALTH_RULES: HealthRules = { unhealthyAfter: 3, healthyAfter: 5 };

export function createRegistry(firstRules: ClassRules, healthRules: HealthRules = HEALTH_RULES): Registry {
  const servers = new Map<string, KnownServer>();
  const listeners = new Set<() => void>();
  let index = new Map<string, KnownModel>();
  let rules = firstRules;

  return {
    put(registration, apiKey) {
      const server = toKnownServer(registration, apiKey);
      const known = servers.get(registration.id);
      if (known && isSameAddress(known, server)) keepHealth(known, server);
      servers.set(registration.id, server);
      reindex();
      return server;
    },
    remove(id) {
      const removed = servers.delete(id);
      if (removed) reindex();
      return removed;
    },
    report(id, report, nowMs) {
      const server = servers.get(id);
      if (!server) return;
      applyHealth(server, afterCheck(server.health, report !== null, healthRules));
      if (!report) {
        notify();
        return;
      }
      server.lastSeenMs = nowMs;
      const before = server.models;
      server.models = indexModels(report.models, server.registration.models);
      if (isSameModels(before, server.models)) notify();
      else reindex();
    },
    setHealth(id, health) {
      const server = servers.get(id);
      if (!server || server.health === health) return;
      applyHealth(server, health);
      notify();
    },
    setDraining(id, draining) {
      const server = servers.get(id);
      if (!server) return false;
      if (draining) server.state = 'draining';
      else if (server.state === 'draining') {
        server.state = 'unknown';
        applyHealth(server, UNKNOWN_HEALTH);
      }
      notify();
      return true;
    },
    setRules(next) {
      rules = next;
      reindex();
    },
    server: (id) => servers.get(id) ?? null,
    servers: () => [...servers.values()],
    models: () =>
      [...index.values()]
        .filter((model) => model.servers.some(takesWork))
        .sort((a, b) => (a.id < b.id ? -1 : 1)),
    findModel: (id) => index.get(id) ?? index.get(id + LATEST) ?? null,
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };

  function reindex(): void {
    index = indexServers([...servers.values()], rules);
    notify();
  }

  function notify(): void {
    for (const listener of listeners) listener();
  }
}

/** Whether new calls may go to the server. */
export function takesWork({ state }: KnownServer): boolean {
  return state !== 'unhealthy' && state !== 'draining';
}

/** The key under which `server` knows a model that a caller named `id`. */
export function findOnServer(server: KnownServer, id: string): ModelInfo | undefined {
  return server.models.get(id) ?? server.models.get(id + LATEST);
}

function toKnownServer(registration: ServerRegistration, apiKey: string | undefined): KnownServer {
  const { capabilities = [], models } = registration;
  return {
    registration,
    address: toServerAddress(registration, apiKey),
    classes: ModelClass.options.filter((name) => capabilities.includes(name)),
    models: indexModels([], models),
    health: UNKNOWN_HEALTH,
    state: 'unknown',
    consecutiveFailures: 0,
    consecutiveSuccesses: 0,
    lastSeenMs: null,
  };
}

function applyHealth(server: KnownServer, health: ServerHealth): void {
  server.health = health;
  server.consecutiveFailures = health.checks.failures;
  server.consecutiveSuccesses = health.checks.successes;
  if (server.state !== 'draining') server.state = stateOf(health);
}

function isSameAddress({ address: a }: KnownServer, { address: b }: KnownServer): boolean {
  return a.origin === b.origin && a.basePath === b.basePath && a.protocol === b.protocol;
}

function keepHealth(from: KnownServer, to: KnownServer): void {
  to.state = from.state;
  to.lastSeenMs = from.lastSeenMs;
  applyHealth(to, from.health);
}

function isSameModels(a: KnownServer['models'], b: KnownServer['models']): boolean {
  if (a.size !== b.size) return false;
  return [...b].every(([id, info]) => {
    const known = a.get(id);
    return (
      known?.loaded === info.loaded &&
      known.parameters === info.parameters &&
      known.created === info.created &&
      known.ownedBy === info.ownedBy
    );
  });
}

function indexModels(reported: readonly ModelInfo[], named: readonly string[]): Map<string, ModelInfo> {
  const models = new Map<string, ModelInfo>(named.map((id) => [id, { id, loaded: null }]));
  for (const model of reported) models.set(model.id, model);
  return models;
}

function indexServers(servers: readonly KnownServer[], rules: ClassRules): Map<string, KnownModel> {
  const index = new Map<string, { info: ModelInfo; servers: KnownServer[] }>();
  for (const server of servers) {
    for (const info of server.models.values()) {
      const known = index.get(info.id);
      if (known) known.servers.push(server);
      else index.set(info.id, { info, servers: [server] });
    }
  }
  return new Map(
    [...index].map(([id, { info, servers: holders }]) => {
      const declared = [...new Set(holders.flatMap((server) => server.classes))];
      return [id, { id, info, modelClass: classifyModel(info, declared, rules), servers: holders }];
    }),
  );
}
