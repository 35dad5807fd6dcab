import { newInboxId, newJobId, newRequestId } from '../../core/ids.ts';
import { createLifecycle } from '../../core/lifecycle.ts';
import { createLocalLeases } from '../../core/local-leases.ts';
import { createLogger } from '../../core/logger.ts';
import type { ConsumeOptions, JobOutcome, JobQueue } from '../../jobs/job-queue.ts';
import type { ModelJob } from '../../jobs/model-job.ts';
import type { BusMessage, ReplyFrame } from '../../jobs/reply-bus.ts';
import { createModelClient } from '../../outbound/model-client.ts';
import { createLocalReplyBus } from '../../queues/local-reply-bus.ts';
import { createBalancer } from '../../servers/balancer.ts';
import { createDemoServer, type DemoServer, type DemoServerOptions } from '../../servers/demo/demo-server.ts';
import { createRegistry } from '../../servers/registry.ts';
import { createJobMover } from '../../workers/job-mover.ts';
import { createRetryBudget } from '../../workers/retry-budget.ts';
import { createWorkerPool } from '../../workers/worker-pool.ts';
import { registrationOf } from '../servers/registration.ts';
import { chat } from '../support/citadel.ts';
import { LOCAL_GUARD } from '../support/local-guard.ts';

export const MODEL = 'shared';

interface PoolBundleOptions {
  /** Simulated servers by id, in the order in which an idle balancer asks them. */
  servers: Record<string, Partial<DemoServerOptions>>;
  firstTokenMs?: number;
  retryFloor?: number;
  attemptsMax?: number;
}

interface RunOptions {
  caller?: string | null;
  model?: string;
  stream?: boolean;
  explain?: boolean;
}

/** How a job went: its last frame, and the frames before. */
export interface JobRunSeen {
  outcome: JobOutcome;
  frames: ReplyFrame[];
  last: ReplyFrame | undefined;
}

/** A worker pool whose jobs are handed to it by the test, in front of real simulated servers. */
export async function setupPool(options: PoolBundleOptions) {
  const life = createLifecycle();
  const servers = new Map<string, DemoServer>();
  const registry = createRegistry({ models: { lightweight: [], heavyweight: [], embedding: [] } });
  for (const [id, fields] of Object.entries(options.servers)) {
    const server = createDemoServer({ models: [{ id: MODEL }], simModels: true, ...fields });
    await server.start();
    life.defer(id, () => server.stop());
    servers.set(id, server);
    const models = (fields.models ?? [{ id: MODEL }]).map((model) => model.id);
    registry.put(registrationOf(id, { port: server.port, models }));
  }
  const balancer = createBalancer({ registry });
  life.defer('balancer', () => balancer.close());
  const client = createModelClient({ guard: LOCAL_GUARD });
  life.defer('client', () => client.close());

  const bus = createLocalReplyBus(newInboxId());
  let consume: ConsumeOptions | undefined;
  const queue = {
    consume(given: ConsumeOptions) {
      consume = given;
      return { setConcurrency() {}, cancel: () => false, pause() {}, close: async () => {} };
    },
  } as unknown as JobQueue;
  const pool = createWorkerPool({
    modelClass: 'lightweight',
    queues: {
      kind: 'redis',
      bus,
      leases: createLocalLeases(),
      queue: () => queue,
      runs: queue,
      ping: async () => {},
      close: async () => {},
    },
    balancer,
    client,
    times: {
      connectMs: 1_000,
      firstTokenMs: options.firstTokenMs ?? 1_000,
      loadMs: 5_000,
      idleMs: 5_000,
      totalMs: 30_000,
    },
    attemptsMax: options.attemptsMax ?? 3,
    retryBudget: createRetryBudget({ share: 0.2, floor: options.retryFloor ?? 100_000 }),
    concurrency: 1_000,
    logger: createLogger({ level: 'silent' }),
  });
  pool.start();
  life.defer('pool', () => pool.stop(0));
  const mover = createJobMover({ bus, pools: [pool] });
  life.defer('mover', () => mover.close());

  async function run({
    caller = 'one',
    model = MODEL,
    stream = true,
    explain,
  }: RunOptions = {}): Promise<JobRunSeen> {
    const id = newJobId();
    const frames: ReplyFrame[] = [];
    const unsubscribe = bus.subscribe((message: BusMessage) => {
      if (message.kind === 'reply' && message.jobId === id) frames.push(message.frame);
    });
    const data: ModelJob = {
      requestId: newRequestId(),
      keyName: caller,
      endpoint: 'chat/completions',
      model,
      modelClass: 'lightweight',
      priority: 'normal',
      maxWaitMs: null,
      stream,
      includeUsage: false,
      wholeOnly: false,
      explain,
      replyTo: bus.inbox,
      body: JSON.stringify(chat(model, `Hello ${id}`, { stream })),
    };
    const addedAtMs = Date.now() + 1_000;
    const outcome = await consume?.run({ id, data, tag: 1, attempt: 1, addedAtMs }, new AbortController());
    unsubscribe();
    if (!outcome) throw new Error('the pool consumes nothing');
    return { outcome, frames, last: frames.at(-1) };
  }

  const server = (id: string): DemoServer => {
    const known = servers.get(id);
    if (!known) throw new Error(`no server ${id}`);
    return known;
  };
  const callsOf = (id: string) => server(id).requests.filter(({ method }) => method === 'POST').length;
  return { run, pool, bus, registry, balancer, server, callsOf, stop: () => life.close() };
}
