// I1: what an operator has said of a server stands over what configuration and discovery say of it.
// I2: when it is unsaid, the server is again what they say, or gone.
import type { ServerRegistration } from '../core/schemas/server-registration.ts';
import type { KnownServer, Registry } from './registry.ts';
import type { ServerRow } from './server-store.ts';

/** The rows of the server store, laid over a registry. */
export interface ServerOverlay {
  /** Takes in every row. Gives the ids of servers that are new or have changed. */
  replace(rows: readonly ServerRow[]): string[];
  /** Takes in one row, or that there is none of this id. True when the server is new or has changed. */
  set(id: string, row: ServerRow | null): boolean;
  row(id: string): ServerRow | null;
  rows(): ServerRow[];
  /** What configuration or discovery say of the server; null when they do not know it. */
  underlying(id: string): ServerRegistration | null;
  close(): void;
}

interface Underlying {
  registration: ServerRegistration;
  apiKey: string | undefined;
}

/** `readKey` gives a server's own API key, by the name of its variable. */
export function createServerOverlay(
  registry: Registry,
  readKey: (variable: string) => string | undefined,
): ServerOverlay {
  const rows = new Map<string, ServerRow>();
  const covered = new Map<string, Underlying>();
  const ours = new WeakSet<ServerRegistration>();
  let settling = false;
  // A look for servers that finds a removed one, or a configuration that is read after the rows, changes nothing.
  const unsubscribe = registry.onChange(() => {
    if (settling || rows.size === 0) return;
    const known = indexKnown();
    settle(() => {
      for (const row of rows.values()) lay(row, known.get(row.id));
    });
  });

  return {
    replace(next) {
      const kept = new Set(next.map(({ id }) => id));
      for (const id of [...rows.keys()]) if (!kept.has(id)) set(id, null);
      return next.filter((row) => set(row.id, row)).map(({ id }) => id);
    },
    set,
    row: (id) => rows.get(id) ?? null,
    rows: () => [...rows.values()],
    underlying(id) {
      const known = find(id);
      if (known && !ours.has(known.registration)) return known.registration;
      return covered.get(id)?.registration ?? null;
    },
    close: unsubscribe,
  };

  function set(id: string, row: ServerRow | null): boolean {
    const before = rows.get(id);
    if (!row) {
      rows.delete(id);
      return before !== undefined && settle(() => lift(before));
    }
    const same = before?.registration && isSame(before.registration, row.registration);
    rows.set(id, same ? { ...row, registration: before.registration } : row);
    return settle(() => lay(rows.get(id) ?? row, find(id)));
  }

  /** True when it put the server anew. */
  function lay(row: ServerRow, known: KnownServer | undefined): boolean {
    if (known && !ours.has(known.registration)) {
      covered.set(row.id, { registration: known.registration, apiKey: known.address.apiKey });
    }
    if (row.removed) {
      if (known) registry.remove(row.id);
      return false;
    }
    const wanted = row.registration ?? covered.get(row.id)?.registration;
    const isNew = wanted !== undefined && known?.registration !== wanted;
    if (isNew) put(row.id, wanted);
    const isDraining = !isNew && known?.state === 'draining';
    if (row.draining !== isDraining) registry.setDraining(row.id, row.draining);
    return isNew;
  }

  function lift({ id }: ServerRow): boolean {
    const known = find(id);
    const under = covered.get(id);
    covered.delete(id);
    if (under && known?.registration !== under.registration) {
      registry.put(under.registration, under.apiKey);
      return true;
    }
    if (known && ours.has(known.registration)) registry.remove(id);
    else if (known?.state === 'draining') registry.setDraining(id, false);
    return false;
  }

  function put(id: string, registration: ServerRegistration): void {
    const under = covered.get(id);
    if (under?.registration === registration) {
      registry.put(registration, under.apiKey);
      return;
    }
    ours.add(registration);
    const { api_key_env: variable } = registration;
    registry.put(registration, variable === undefined ? undefined : readKey(variable));
  }

  // The registry tells of each change at once, of those made here too.
  function settle<T>(work: () => T): T {
    settling = true;
    try {
      return work();
    } finally {
      settling = false;
    }
  }

  function find(id: string): KnownServer | undefined {
    return registry.servers().find(({ address }) => address.id === id);
  }

  function indexKnown(): Map<string, KnownServer> {
    return new Map(registry.servers().map((server) => [server.address.id, server]));
  }
}

function isSame(one: ServerRegistration, other: ServerRegistration | null): boolean {
  return other !== null && JSON.stringify(one) === JSON.stringify(other);
}
