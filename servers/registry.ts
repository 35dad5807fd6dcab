// I1: reading the registry never leaves the process: requests see a snapshot that changes only by put, remove and report.
import { ModelClass } from '../core/schemas/model-class.ts';
import type { ServerRegistration } from '../core/schemas/server-registration.ts';
import { type ClassRules, classifyModel } from './model-class.ts';
import type { ServerAddress } from './model-client.ts';
import type { ModelInfo, ServerReport } from './model-server.ts';

export interface KnownServer {
  readonly registration: ServerRegistration;
  readonly address: ServerAddress;
  /** Classes that its capabilities name; empty when they name none: then it serves every class. */
  readonly classes: readonly ModelClass[];
  /** By model id: what it reported, and what its registration names. */
  models: ReadonlyMap<string, ModelInfo>;
  /** `unknown` until it was asked for the first time. */
  state: 'unknown' | 'healthy' | 'unhealthy';
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
  /** Takes in what the server said of itself, or null when it did not answer. */
  report(id: string, report: ServerReport | null, nowMs: number): void;
  servers(): readonly KnownServer[];
  /** Models of servers that are not unhealthy, by name. */
  models(): readonly KnownModel[];
  /** A model by its id, or by its id without `:latest`; of unhealthy servers too. */
  findModel(id: string): KnownModel | null;
  /** Calls `listener` after each change. Returns the function that ends it. */
  onChange(listener: () => void): () => void;
}

const LATEST = ':latest';

export function createRegistry(rules: ClassRules): Registry {
  const servers = new Map<string, KnownServer>();
  const listeners = new Set<() => void>();
  let index = new Map<string, KnownModel>();

  return {
    put(registration, apiKey) {
      const server = toKnownServer(registration, apiKey);
      servers.set(registration.id, server);
      changed();
      return server;
    },
    remove(id) {
      const removed = servers.delete(id);
      if (removed) changed();
      return removed;
    },
    report(id, report, nowMs) {
      const server = servers.get(id);
      if (!server) return;
      server.state = report ? 'healthy' : 'unhealthy';
      if (report) {
        server.lastSeenMs = nowMs;
        server.models = indexModels(report.models, server.registration.models);
      }
      changed();
    },
    servers: () => [...servers.values()],
    models: () =>
      [...index.values()]
        .filter((model) => model.servers.some((server) => server.state !== 'unhealthy'))
        .sort((a, b) => (a.id < b.id ? -1 : 1)),
    findModel: (id) => index.get(id) ?? index.get(id + LATEST) ?? null,
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };

  function changed(): void {
    index = indexServers([...servers.values()], rules);
    for (const listener of listeners) listener();
  }
}

/** The key under which `server` knows a model that a caller named `id`. */
export function findOnServer(server: KnownServer, id: string): ModelInfo | undefined {
  return server.models.get(id) ?? server.models.get(id + LATEST);
}

function toKnownServer(registration: ServerRegistration, apiKey: string | undefined): KnownServer {
  const { id, hostname, port, base_path, protocol, capabilities = [], models } = registration;
  const host = hostname.includes(':') && !hostname.startsWith('[') ? `[${hostname}]` : hostname;
  return {
    registration,
    address: {
      id,
      origin: `http://${host}:${port}`,
      basePath: base_path.replace(/\/+$/, ''),
      protocol,
      apiKey,
    },
    classes: ModelClass.options.filter((name) => capabilities.includes(name)),
    models: indexModels([], models),
    state: 'unknown',
    lastSeenMs: null,
  };
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
