import { AppError } from '../core/errors.ts';
import type { ServerRegistration } from '../core/schemas/server-registration.ts';
import type { ServerAddress } from './model-client.ts';
import type { ServerReport } from './model-server.ts';
import type { KnownServer, Registry } from './registry.ts';
import type { RegistrySync } from './registry-sync.ts';
import { toServerAddress } from './server-address.ts';
import type { ServerOverlay } from './server-overlay.ts';
import type { ServerRow, ServerStore } from './server-store.ts';

/**
 * What operators do to servers. When a call resolves, it is written, in force in this process, and on its way to the
 * others. Throws AppError: `not_found`, `invalid_request` for what may not be registered, `store_unavailable`.
 */
export interface ServerAdmin {
  /** Registers a server, or what is new of it, and asks it for its models. `created` when none had this id. */
  register(registration: ServerRegistration): Promise<{ created: boolean }>;
  /** Changes what is registered of a server. */
  update(id: string, change: (present: ServerRegistration) => ServerRegistration): Promise<KnownServer>;
  remove(id: string): Promise<void>;
  /** Takes a server out of work; or back in, asked anew how it does. */
  setDraining(id: string, draining: boolean): Promise<void>;
}

interface ServerAdminOptions {
  registry: Registry;
  overlay: ServerOverlay;
  store: ServerStore;
  sync: Pick<RegistrySync, 'publish'>;
  /** Whether the addresses behind a host name may be called. */
  isAllowed(hostname: string): Promise<boolean>;
  /** A server's own API key, by the name of its variable. */
  readKey(variable: string): string | undefined;
  /** What a server says of itself; null when it does not answer. */
  ask(address: ServerAddress): Promise<ServerReport | null>;
}

const SERVERS_MAX = 1_000;

export function createServerAdmin(options: ServerAdminOptions): ServerAdmin {
  const { registry, overlay, store, sync, isAllowed, readKey, ask } = options;

  return {
    async register(registration) {
      const { id } = registration;
      const created = find(id) === null;
      if (created && registry.servers().length >= SERVERS_MAX) {
        throw new AppError('invalid_request', `There are ${SERVERS_MAX} servers already; remove one first.`);
      }
      const report = await inspect(registration);
      const change = await store.change(id, (row) => toRow(id, registration, row));
      await sync.publish(change, report);
      return { created };
    },

    async update(id, change) {
      const next = change(presentOf(id, overlay.row(id)));
      const report = await inspect(next);
      const written = await store.change(id, (row) => toRow(id, change(presentOf(id, row)), row));
      await sync.publish(written, report);
      return find(id) ?? unknown(id);
    },

    async remove(id) {
      if (!find(id)) unknown(id);
      const isUnderneath = overlay.underlying(id) !== null;
      const removal = { id, registration: null, draining: false, removed: true };
      await sync.publish(await store.change(id, () => (isUnderneath ? removal : null)));
    },

    async setDraining(id, draining) {
      const { address } = find(id) ?? unknown(id);
      const report = draining ? undefined : await ask(address);
      const change = await store.change(id, (row) => {
        if (row?.removed) unknown(id);
        const next = { id, registration: row?.registration ?? null, draining, removed: false };
        // Nothing is left to be said of it.
        return next.registration === null && !draining ? null : next;
      });
      await sync.publish(change, report);
    },
  };

  function find(id: string): KnownServer | null {
    return registry.servers().find(({ address }) => address.id === id) ?? null;
  }

  function presentOf(id: string, row: ServerRow | null): ServerRegistration {
    if (row?.removed) unknown(id);
    return row?.registration ?? overlay.underlying(id) ?? unknown(id);
  }

  async function inspect(registration: ServerRegistration): Promise<ServerReport | null> {
    const { hostname, api_key_env: variable } = registration;
    const apiKey = variable === undefined ? undefined : readKey(variable);
    if (variable !== undefined && apiKey === undefined) {
      throw new AppError('invalid_request', `The variable '${variable}' is not set for Citadel.`, {
        param: 'api_key_env',
      });
    }
    if (!(await isAllowed(hostname))) {
      throw new AppError(
        'invalid_request',
        "'hostname' is in none of the networks that model servers may be in (networks.servers).",
        { param: 'hostname' },
      );
    }
    return await ask(toServerAddress(registration, apiKey));
  }
}

function toRow(id: string, registration: ServerRegistration, row: ServerRow | null): ServerRow {
  return { id, registration, draining: row?.draining ?? false, removed: false };
}

function unknown(id: string): never {
  throw new AppError('not_found', `There is no server \`${id}\`.`);
}
