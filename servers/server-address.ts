import type { ServerRegistration } from '../core/schemas/server-registration.ts';
import type { ServerAddress } from './model-client.ts';

/** Where a registered server is called. */
export function toServerAddress(registration: ServerRegistration, apiKey: string | undefined): ServerAddress {
  const { id, hostname, port, base_path, protocol } = registration;
  const host = hostname.includes(':') && !hostname.startsWith('[') ? `[${hostname}]` : hostname;
  return { id, origin: `http://${host}:${port}`, basePath: base_path.replace(/\/+$/, ''), protocol, apiKey };
}
