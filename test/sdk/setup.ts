import { afterEach } from '@jest/globals';
import { createClient } from '../../sdk/client.ts';
import type { ClientOptions } from '../../sdk/connection.ts';
import { type ScriptedServer, startScriptedServer } from '../support/scripted-server.ts';

const servers: ScriptedServer[] = [];

afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

type Handlers = Parameters<typeof startScriptedServer>[0];

/** A client of a server that answers each path as told. */
export async function setupClient(handlers: Handlers, options: ClientOptions = {}) {
  const server = await startScriptedServer(handlers);
  servers.push(server);
  const client = createClient({ baseUrl: `${server.origin}/`, ...options });
  return { client, server };
}

/** Gives each of `values` once, and the last from then on. */
export function inTurn<T>(...values: T[]): () => T {
  let at = -1;
  return () => {
    at = Math.min(at + 1, values.length - 1);
    return values[at] as T;
  };
}
