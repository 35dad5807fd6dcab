import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { newInboxId } from '../../core/ids.ts';
import type { Json } from '../../core/json-value.ts';
import { createLifecycle } from '../../core/lifecycle.ts';
import { createLogger } from '../../core/logger.ts';
import type { SqlPool } from '../../core/sql-pool.ts';
import type { BusMessage, ReplyBus } from '../../jobs/reply-bus.ts';
import { createLocalReplyBus } from '../../queues/local-reply-bus.ts';
import { migrate } from '../../storage/migrate.ts';
import { createPglitePool } from '../../storage/pglite-pool.ts';
import { createPostgresDefinitionStore } from '../../storage/postgres-definition-store.ts';
import { createPostgresRunStore } from '../../storage/postgres-run-store.ts';
import { createDefinitions } from '../../workflows/definitions.ts';
import type { Doorbell } from '../../workflows/doorbell.ts';
import { createPlans } from '../../workflows/plans.ts';
import { createRelay } from '../../workflows/relay.ts';
import { createRunService } from '../../workflows/run-service.ts';
import type { RunStore } from '../../workflows/run-store.ts';
import type { AttemptEnd, StepAttempt } from '../../workflows/step-executor.ts';
import { createStepRunner } from '../../workflows/step-runner.ts';
import { newDataDirectory } from '../support/pglite-template.ts';
import { helpersFor } from './run-bundle.ts';

/** An attempt that has begun, to be ended by the test. */
export interface Begun extends StepAttempt {
  signal: AbortSignal;
  succeed(output?: Json, tokens?: number): void;
  fail(error: Extract<AttemptEnd, { status: 'failed' }>['error']): void;
}

/** One embedded store, and processes on it that are made in this one: each with a runner, a relay and a bus of its own. */
export async function setupRunners() {
  const life = createLifecycle();
  const directory = await newDataDirectory();
  life.defer('directory', () => rm(directory, { recursive: true, force: true }));
  const pool = await createPglitePool({ dataDir: join(directory, 'pglite') });
  life.defer('store', () => pool.close());
  await migrate(pool);
  const buses: ReplyBus[] = [];
  return {
    pool,
    stop: () => life.close(),
    process(options: ProcessOptions = {}) {
      const bus = joinedBus(options.isDeaf ? [] : buses);
      const made = openProcess(pool, bus, options);
      life.defer('process', () => made.stop(0));
      return made;
    },
    /** As if the leases of everything that runs had lapsed. */
    async lapse() {
      await pool.query(
        `UPDATE citadel.step SET lease_until = now() - interval '1 s' WHERE status = 'running'`,
      );
    },
  };
}

export type RunnerProcess = ReturnType<typeof openProcess>;

interface ProcessOptions {
  stepsMax?: number;
  /** Runs that may come of one. */
  familyMax?: number;
  /** What the process has for a store, made of the real one. */
  store?: (store: RunStore) => RunStore;
  /** It hears nothing from other processes, as one that is stopped. */
  isDeaf?: boolean;
}

function openProcess(
  pool: SqlPool,
  bus: ReplyBus,
  { stepsMax = 512, familyMax = 20_000, store: wrap = (store) => store }: ProcessOptions,
) {
  const begun: Begun[] = [];
  const rung: string[] = [];
  const logger = createLogger({ level: 'silent' });
  const store = wrap(createPostgresRunStore(pool));
  const definitionStore = createPostgresDefinitionStore(pool);
  const plans = createPlans({ store: definitionStore });
  const definitions = createDefinitions({ store: definitionStore, plans });
  const doorbell: Doorbell = { ring: (id) => rung.push(id), start() {}, async stop() {} };
  const runner = createStepRunner({
    store,
    plans,
    bus,
    doorbell,
    logger,
    ...{ stepsMax, familyMax },
    executors: { http: (attempt, signal) => hold(begun, attempt, signal) },
  });
  const relay = createRelay({ store, runner, chores: [], logger });
  const models = { requireModel: () => ({ modelClass: 'lightweight' }) };
  const runs = createRunService({ store, plans, runner, models });
  return {
    bus,
    begun,
    rung,
    store,
    runner,
    relay,
    runs,
    definitions,
    ...helpersFor(runs),
    stop: runner.stop,
  };
}

/** An attempt lasts until the test ends it, or its signal aborts. */
function hold(begun: Begun[], attempt: StepAttempt, signal: AbortSignal): Promise<AttemptEnd> {
  return new Promise((resolve, reject) => {
    begun.push({
      ...attempt,
      signal,
      succeed: (output = attempt.key, tokens = 0) =>
        resolve({ status: 'succeeded', output, tokens, facts: null }),
      fail: (error) => resolve({ status: 'failed', error, tokens: 0, facts: null }),
    });
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

/** Buses of processes that are made in this one: what is sent to one's inbox arrives there, what is broadcast everywhere. */
function joinedBus(buses: ReplyBus[]): ReplyBus {
  const local = createLocalReplyBus(newInboxId());
  const bus: ReplyBus = {
    ...local,
    async send(to, message: BusMessage) {
      const other = buses.find(({ inbox }) => inbox === to);
      return other === bus || !other ? await local.send(to, message) : await other.send(to, message);
    },
    async broadcast(message) {
      for (const other of buses) await other.send(other.inbox, message);
    },
  };
  buses.push(bus);
  return bus;
}

/** Steps that the test ends by hand. */
export const task = (id: string, rest: object = {}) => ({
  id,
  type: 'http',
  method: 'POST',
  url: 'http://example.com/',
  ...rest,
});
