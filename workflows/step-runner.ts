// Runs steps in this process: takes what is ready, begins it, and sees to all that a commit leaves to be done.
// I1: an attempt begins only after the store has given it to this process, with a lease.
// I2: a lease that is not this process's any more ends the attempt.
// I3: what a commit leaves to be done is in the store too: were this process to end now, a relay would do it.

import type { AppError } from '../core/errors.ts';
import { failPoint } from '../core/fail-point.ts';
import type { InboxId, RunId } from '../core/ids.ts';
import type { Logger } from '../core/logger.ts';
import { NO_METRICS } from '../core/metrics.ts';
import { NO_TRACING, type Tracing } from '../core/tracing.ts';
import type { ReplyBus } from '../jobs/reply-bus.ts';
import { createAttempts } from './attempts.ts';
import { createChildRuns } from './child-runs.ts';
import { createCommitter } from './committer.ts';
import type { Doorbell } from './doorbell.ts';
import { createKnownRuns } from './known-runs.ts';
import type { Plans } from './plans.ts';
import { createRoom } from './room.ts';
import { type CommittedChange, createRunLanes, type LaneHost, type RunLanes } from './run-lanes.ts';
import { createRunMetrics, type RunMetrics } from './run-metrics.ts';
import { createRunNews, type RunNews } from './run-news.ts';
import { recordRun } from './run-spans.ts';
import type { RunStore } from './run-store.ts';
import type { StepExecutors } from './step-executor.ts';
import { createWakeTimers } from './wake-timers.ts';

export interface StepRunner {
  readonly lanes: RunLanes;
  readonly news: RunNews;
  /** What the store said last, while commits wait for it. */
  refusal(): AppError | null;
  /** Hears of runs with steps to begin, and keeps its leases, from now on. */
  start(): void;
  /** How many steps may begin now. */
  free(): number;
  /** Does what is due of the run; never throws. */
  look(id: RunId): void;
  /** Lets runs begin that wait for others of their concurrency key; never throws. */
  admit(): Promise<void>;
  /** Extends its leases; runs by itself. */
  heartbeat(): Promise<void>;
  /** Begins nothing more, lets what runs end for up to `graceMs`, and hands the rest back. May be called twice. */
  stop(graceMs: number): Promise<void>;
}

interface StepRunnerOptions {
  store: RunStore;
  plans: Plans;
  executors: StepExecutors;
  bus: ReplyBus;
  doorbell: Doorbell;
  logger: Logger;
  /** Steps at work at once. */
  stepsMax: number;
  /** Runs that may come of one. */
  familyMax?: number;
  metrics?: RunMetrics;
  tracing?: Tracing;
}

const HEARTBEAT_MS = 4_000;
const LAST_COMMITS_MS = 3_000;

export function createStepRunner(options: StepRunnerOptions): StepRunner {
  const { store, plans, executors, bus, doorbell, logger, stepsMax, familyMax } = options;
  const { metrics = createRunMetrics(NO_METRICS), tracing = NO_TRACING } = options;
  const worker = bus.inbox;
  const room = createRoom(stepsMax);
  const timers = createWakeTimers(look);
  const committer = createCommitter({ store, logger });
  const news = createRunNews({ bus, soFar: (id) => attempts.soFar(id) });
  const attempts = createAttempts({
    worker,
    executors,
    store,
    report: (id, report, sizeChars) => lanes.report(id, report, sizeChars).catch(logFailure(id, 'a report')),
    onEnd() {
      room.end();
      takeTurns();
    },
    onSay: news.say,
    ...{ metrics, tracing },
  });
  const host: LaneHost = {
    worker,
    reserve: room.reserve,
    release: room.release,
    holds: attempts.holds,
    adopt(run, steps) {
      for (const step of steps) {
        room.begin(false);
        attempts.begin(run, step);
      }
    },
    awaits: timers.set,
    committed,
  };
  const known = createKnownRuns({ store, plans });
  const childRuns = createChildRuns({ plans, store, ...(familyMax === undefined ? {} : { familyMax }) });
  const lanes = createRunLanes({ known, committer, childRuns, host, logger });
  const unsubscribe = bus.subscribe((message) => {
    if (message.kind !== 'run-stop') return;
    for (const stopped of message.attempts) attempts.drop({ runId: message.runId, ...stopped });
  });
  let beating: NodeJS.Timeout | undefined;
  let stopping: Promise<void> | undefined;

  return {
    lanes,
    news,
    refusal: committer.refusal,
    start() {
      doorbell.start((id) => {
        if (room.free() > 0) look(id);
      });
      beating ??= setInterval(heartbeat, HEARTBEAT_MS);
    },
    free: room.free,
    look,
    admit,
    heartbeat,
    stop(graceMs) {
      stopping ??= stopAll(graceMs);
      return stopping;
    },
  };

  function look(id: RunId): void {
    lanes.look(id).catch(logFailure(id, 'a look'));
  }

  /** Room has come free: runs that had more steps than there was room for. */
  function takeTurns(): void {
    for (const id of room.takeTurns()) lanes.claim(id).catch(logFailure(id, 'a claim'));
  }

  async function admit(): Promise<void> {
    try {
      for (const id of await store.admit()) look(id);
    } catch (error) {
      logger.debug('runs could not be admitted', { error: error as Error });
    }
  }

  async function heartbeat(): Promise<void> {
    try {
      for (const lost of await store.heartbeat(worker, attempts.held())) attempts.drop(lost);
    } catch (error) {
      logger.debug('leases could not be extended', { error: error as Error });
    }
  }

  function committed(change: CommittedChange): void {
    const { run, claimed, commit, decision } = change;
    metrics.committed(change);
    if (change.hasEnded && tracing.isOn) recordRun(tracing, change);
    if (claimed.length > 0) failPoint('claim.after');
    for (const step of claimed) {
      room.begin(true);
      attempts.begin(run, step);
    }
    stopAttempts(change);
    for (const { wake } of commit.steps) {
      if (wake) timers.set(run.id, 'afterMs' in wake ? wake.afterMs : wake.at.getTime() - Date.now());
    }
    if (commit.create?.deadlineMs != null) timers.set(run.id, commit.create.deadlineMs);
    if (decision.events.length > 0) news.tell(run.id, run.lastSeq, change.hasEnded);
    for (const { runId } of commit.messages) look(runId);
    const awaitsOthers = [commit.create, ...commit.children].some((made) => made?.concurrency);
    if (awaitsOthers || (change.hasEnded && run.model.plan.definition.concurrency)) admit();
    offer(change);
  }

  /** Steps that nobody here has room for: to whoever hears it. */
  function offer({ run, decision }: CommittedChange): void {
    if (run.model.table.run.ready === 0 || decision.run.status === 'paused') return;
    room.wants(run.id);
    if (room.free() > 0) {
      takeTurns();
      return;
    }
    failPoint('publish.before');
    doorbell.ring(run.id);
    failPoint('publish.after');
  }

  function stopAttempts({ run, stopped }: CommittedChange): void {
    const others = new Map<string, { key: string; attempt: number }[]>();
    for (const { key, attempt, worker: holder } of stopped) {
      if (holder === worker) attempts.drop({ runId: run.id, key, attempt });
      else others.set(holder, [...(others.get(holder) ?? []), { key, attempt }]);
    }
    for (const [holder, left] of others) {
      bus.send(holder as InboxId, { kind: 'run-stop', runId: run.id, attempts: left }).catch(() => {});
    }
  }

  async function stopAll(graceMs: number): Promise<void> {
    room.close();
    await doorbell.stop();
    await attempts.untilIdle(graceMs);
    await attempts.handBack();
    clearInterval(beating);
    timers.stop();
    // For a database that is away: what is lost then lapses, and is done again.
    const giveUp = setTimeout(() => {
      lanes.stop();
      committer.stop();
    }, LAST_COMMITS_MS);
    await lanes.idle();
    clearTimeout(giveUp);
    news.stop();
    unsubscribe();
  }

  function logFailure(runId: RunId, what: string): (error: unknown) => void {
    return (error) => logger.warn('a run could not go on here', { runId, what, error: error as Error });
  }
}
