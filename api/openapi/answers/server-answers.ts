import { z } from 'zod';
import { ServerProtocol } from '../../../core/schemas/server-protocol.ts';
import { Count, MaybeText, MaybeTime, Time, UnixSeconds } from './shared-answers.ts';

const ServerState = z.enum(['healthy', 'degraded', 'unhealthy', 'draining', 'unknown']);

const Facts = {
  id: z.string(),
  hostname: z.string(),
  port: z.int(),
  role: MaybeText,
  capabilities: z.array(z.string()),
  protocol: ServerProtocol,
  base_path: z.string(),
  weight: z.number(),
  max_concurrency: z.int().nullable(),
  api_key_env: MaybeText.describe("the variable that holds the server's key, never the key"),
};

const Condition = {
  health_status: ServerState,
  last_seen: MaybeTime,
  consecutive_failures: Count,
  consecutive_successes: Count,
  in_flight: Count.describe('calls that run there now'),
  models: z.array(z.string()),
};

export const Server = z.object({
  object: z.literal('server'),
  ...Facts,
  ...Condition,
  last_seen: UnixSeconds.nullable(),
});

const ServerDetails = z.object({ ...Facts, ...Condition });

export const Registered = z.object({ status: z.literal('registered'), server_id: z.string() });

export const ServerDeleted = z.object({ id: z.string(), deleted: z.literal(true) });

export const ServerDetailsList = z.object({
  total_servers: Count,
  servers: z.record(z.string(), ServerDetails),
  last_updated: Time,
});

export const OneServerHealth = z.object({ server_id: z.string(), ...Facts, ...Condition });

export const FailedOver = z.object({
  status: z.literal('failover_initiated'),
  server_id: z.string(),
  result: z.object({
    moved_jobs: Count,
    drained: z.boolean().describe('whether nothing runs there any more'),
  }),
});

export const Recovered = z.object({ status: z.literal('recovered'), server_id: z.string() });

export const RoutingDecision = z.object({
  model: z.string(),
  assigned_server: MaybeText,
  estimated_completion: MaybeTime,
  estimated_completion_ms: z.number().nullable(),
  load_balancing_decision: z.string(),
  candidates: z.array(z.object({ server: z.string(), score: z.number().nullable(), reason: z.string() })),
});

const Totals = {
  total_servers: Count,
  healthy_servers: Count,
  degraded_servers: Count,
  unhealthy_servers: Count,
};

const ClusterStatus = z.enum(['healthy', 'degraded', 'unhealthy']);
const MaybeCount = Count.nullable();

const Queues = z.record(
  z.string(),
  z.object({
    status: z.enum(['up', 'down']),
    paused: z.boolean().nullable(),
    waiting: MaybeCount,
    active: MaybeCount,
    delayed: MaybeCount,
    dead: MaybeCount,
  }),
);
const Stores = z.record(z.string(), z.object({ kind: z.string(), status: z.enum(['up', 'down']) }));

export const Alive = z.object({ status: z.literal('ok') });
export const Ready = z.object({ status: z.literal('ready') });
export const ShortHealth = z.object({ status: ClusterStatus, ...Totals });

export const Health = z.object({
  status: ClusterStatus,
  servers: z.object(Totals),
  queues: Queues,
  stores: Stores,
  last_updated: Time,
});

export const ServersHealth = z.object({
  status: ClusterStatus,
  ...Totals,
  servers: z.record(z.string(), z.object(Condition)),
  last_updated: Time,
});

export const QueuesHealth = z.object({
  status: z.enum(['healthy', 'unhealthy']),
  queues: Queues,
  last_updated: Time,
});

export const EnterpriseHealth = z.object({
  cluster_status: ClusterStatus,
  ...Totals,
  server_details: z.record(z.string(), ServerDetails),
  queues: Queues,
  stores: Stores,
  last_updated: Time,
});
