import type { Config } from '../../core/config.ts';
import type { ServerRegistration } from '../../core/schemas/server-registration.ts';
import { createAddressGuard } from '../../outbound/address-guard.ts';
import { createModelClient } from '../../outbound/model-client.ts';
import { identifyServer } from '../../outbound/probe-address.ts';
import { discoverServers } from '../../servers/discovery.ts';
import { toServerAddress } from '../../servers/server-address.ts';
import { createApiClient } from '../api-client.ts';
import type { RunningServer } from '../server-announcement.ts';
import { type Check, type Finding, ok, problem, warn } from './finding.ts';

type Found = Omit<Finding, 'check'>;

const ASK_LIMIT_MS = 5_000;
const SERVERS_SHOWN_MAX = 100;
const MODELS_SHOWN_MAX = 8;
const SERVER_CURE =
  'Start it, see that its address is right and that networks.servers allows it, or take it out.';

/** The model servers: as a running Citadel sees them, or else those of the configuration and on this machine's usual ports. */
export function serversCheck(config: Config, server: RunningServer | null): Check {
  return {
    name: 'model servers',
    async run() {
      const findings = await (server ? askServer(server) : askEach(config));
      if (findings.length > 0) return findings;
      const cure =
        'Start a model server on this machine, or name one in citadel.yaml (servers) or CITADEL_SERVERS.';
      return [warn('none is known: the demo model answers', cure)];
    },
  };
}

async function askServer({ url, operatorKey }: RunningServer): Promise<Found[]> {
  const { servers } = await createApiClient(url, operatorKey).get<{
    servers: Record<string, { health_status: string }>;
  }>('/orchestration/servers/list');
  return Object.entries(servers)
    .filter(([id]) => id !== 'demo')
    .slice(0, SERVERS_SHOWN_MAX)
    .map(([id, { health_status: state }]) =>
      state === 'healthy' ? ok(`${id} is healthy`) : problem(`${id} is ${state}`, SERVER_CURE),
    );
}

async function askEach(config: Config): Promise<Found[]> {
  const guard = createAddressGuard(config.networks.servers);
  const client = createModelClient({ guard });
  const ask = async (registration: ServerRegistration): Promise<Found> => {
    const { id, protocol } = registration;
    const address = toServerAddress(registration, config.serverKeys[id]);
    try {
      const { models } = await client.report(address, ASK_LIMIT_MS);
      if (models.length === 0) return warn(`${id} has no models`, 'Load one, such as by ollama pull.');
      const shown = models.slice(0, MODELS_SHOWN_MAX).map((model) => model.id);
      const more = models.length > shown.length ? ` and ${models.length - shown.length} more` : '';
      return ok(`${id} speaks ${protocol} and has ${shown.join(', ')}${more}`);
    } catch (error) {
      return problem(`${id} at ${address.origin}: ${(error as Error).message}`, SERVER_CURE);
    }
  };
  try {
    const found = config.discover ? await discover(config, guard) : [];
    return await Promise.all([...config.servers, ...found].slice(0, SERVERS_SHOWN_MAX).map(ask));
  } finally {
    await client.close();
  }
}

async function discover(config: Config, guard: ReturnType<typeof createAddressGuard>) {
  const taken = new Set([config.port, ...config.servers.map(({ port }) => port)]);
  const found = await discoverServers(
    (origin, timeoutMs, signal) => identifyServer(guard, origin, timeoutMs, signal),
    taken,
    AbortSignal.timeout(ASK_LIMIT_MS),
  );
  return found.map(({ registration }) => registration);
}
