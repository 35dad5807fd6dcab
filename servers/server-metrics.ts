import type { Metrics } from '../core/metrics.ts';
import type { Registry, ServerState } from './registry.ts';

interface ServerMetricsDeps {
  registry: Pick<Registry, 'servers'>;
  inFlight(serverId: string): number;
}

const STATES = [
  'unknown',
  'healthy',
  'degraded',
  'unhealthy',
  'draining',
] as const satisfies readonly ServerState[];

/** How the servers do, as this process sees them; read from its memory. */
export function addServerMetrics(metrics: Metrics, { registry, inFlight }: ServerMetricsDeps): void {
  metrics.gauge(
    {
      name: 'citadel_server_state',
      help: '1 for the state that a model server is in, else 0.',
      labels: ['server', 'state'],
    },
    () =>
      registry.servers().flatMap(({ address, state: current }) =>
        STATES.map((state) => ({
          labels: { server: address.id, state },
          value: state === current ? 1 : 0,
        })),
      ),
  );
  metrics.gauge(
    {
      name: 'citadel_server_slots_in_use',
      help: 'Calls that this process makes to a model server now.',
      labels: ['server'],
    },
    () =>
      registry
        .servers()
        .map(({ address }) => ({ labels: { server: address.id }, value: inFlight(address.id) })),
  );
  metrics.gauge(
    {
      name: 'citadel_server_slots_limit',
      help: 'Calls that a model server takes at once, from all processes; absent where there is no limit.',
      labels: ['server'],
    },
    () =>
      registry.servers().flatMap(({ address, registration: { max_concurrency: limit } }) => {
        return limit === undefined ? [] : [{ labels: { server: address.id }, value: limit }];
      }),
  );
}
