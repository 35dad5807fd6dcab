import type { KnownServer } from '../servers/registry.ts';

/** How a server does, without where it is. */
export function toServerHealth(server: KnownServer, inFlight: number) {
  return {
    health_status: server.state,
    last_seen: server.lastSeenMs === null ? null : new Date(server.lastSeenMs).toISOString(),
    consecutive_failures: server.consecutiveFailures,
    consecutive_successes: server.consecutiveSuccesses,
    in_flight: inFlight,
    models: [...server.models.keys()],
  };
}

/** What a server is, without how it does. */
function toServerFacts({ registration }: KnownServer) {
  const { id, hostname, port, role, capabilities, protocol, base_path, weight } = registration;
  return {
    id,
    hostname,
    port,
    role: role ?? null,
    capabilities: capabilities ?? [],
    protocol,
    base_path,
    weight,
    max_concurrency: registration.max_concurrency ?? null,
    api_key_env: registration.api_key_env ?? null,
  };
}

/** A server with all that admins may know of it. */
export function toServerDetails(server: KnownServer, inFlight: number) {
  return { ...toServerFacts(server), ...toServerHealth(server, inFlight) };
}

/** As `toServerDetails`, with times in unix seconds as OpenAI's objects have them. */
export function toServerObject(server: KnownServer, inFlight: number) {
  const { lastSeenMs } = server;
  return {
    object: 'server',
    ...toServerDetails(server, inFlight),
    last_seen: lastSeenMs === null ? null : Math.floor(lastSeenMs / 1_000),
  };
}
