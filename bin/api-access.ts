import type { Config } from '../core/config.ts';
import { addressUrl } from './address-url.ts';
import { type ApiClient, createApiClient } from './api-client.ts';
import { findLiveServer } from './server-announcement.ts';

/**
 * Runs `work` with the API of the Citadel that the configuration means: that of CITADEL_URL; else of the server that has
 * the data directory open; else of the one at HOST and PORT.
 */
export async function withApi<T>(config: Config, work: (api: ApiClient) => Promise<T>): Promise<T> {
  const { serverUrl, serverKey, host, port } = config;
  if (serverUrl !== undefined) return await work(createApiClient(serverUrl.replace(/\/+$/, ''), serverKey));

  const server = config.databaseUrl === undefined ? await findLiveServer(config.dataDir) : null;
  if (server) return await work(createApiClient(server.url, server.operatorKey));
  return await work(createApiClient(addressUrl({ host, port }), serverKey));
}
