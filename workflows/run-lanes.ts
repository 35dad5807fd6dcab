// Each run has a lane: what happens to it is decided in order, one commit at a time, and what comes meanwhile gathers.
// I1: a decision is made on the run as it is at one revision, and holds only if the store still has that revision; else
//     the run is read anew and decided again.
// I2: a report is given up only when its process stops: while the store is away it waits.
import { setTimeout as pause } from 'node:timers/promises';
import { AppError } from '../core/errors.ts';
import type { RunId } from '../core/ids.ts';
import type { Logger } from '../core/logger.ts';
import type { ChildRuns } from './child-runs.ts';
import type { Committer } from './committer.ts';
import type { KnownRun, KnownRuns } from './known-runs.ts';
import { type CommitParts, type Report, toCommit } from './run-commit.ts';
import { isEnded } from './run-record.ts';
import type { Decision, EngineEvent, StepState } from './run-state.ts';
import type { RunCommit } from './run-store.ts';
import {
  advance,
  type Effect,
  type StoppedAttempt,
  stoppedBy,
  type Turn,
  type TurnInput,
  toTurn,
} from './run-turn.ts';
import { decideTurn } from './turn-decision.ts';

/** Who runs the steps that lanes take into `running`. */
export interface LaneHost {
  readonly worker: string;
  /** How many steps of this run may begin now: they are kept free for it. */
  reserve(id: RunId): number;
  release(count: number): void;
  /** Whether this process runs this attempt, or has its result. */
  holds(id: RunId, step: StepState): boolean;
  /** Attempts that are this process's by the store alone: they begin. */
  adopt(run: KnownRun, steps: readonly StepState[]): void;
  /** After so long something of the run will be due. */
  awaits(id: RunId, inMs: number): void;
  /** The store has it. Its `claimed` steps are this process's, to be begun now; none of them is reserved any more. */
  committed(change: CommittedChange): void;
}

export interface CommittedChange {
  run: KnownRun;
  decision: Decision;
  commit: RunCommit;
  /** Steps that have been taken into `running` by this process. */
  claimed: StepState[];
  /** Attempts that do not run any more, with those who ran them. */
  stopped: StoppedAttempt[];
  hasEnded: boolean;
}

export interface RunLanes {
  /** Makes a run, and begins it. False when its idempotency key is another run's, or the run is there. */
  create(
    run: KnownRun,
    create: NonNullable<CommitParts['create']>,
    options: { events: EngineEvent[]; signal: AbortSignal },
  ): Promise<boolean>;
  /** Does what is due. */
  look(id: RunId): Promise<void>;
  /** Takes ready steps, as far as there is room. */
  claim(id: RunId): Promise<void>;
  report(id: RunId, report: Report, sizeChars: number): Promise<void>;
  /** `check` throws an AppError when the run as it is does not allow it. */
  command(id: RunId, event: EngineEvent, check: (run: KnownRun) => void): Promise<void>;
  /** Resolves when nothing is under way. */
  idle(): Promise<void>;
  /** Gives up what waits for a store that is away. */
  stop(): void;
}

interface LanesOptions {
  known: KnownRuns;
  committer: Committer;
  childRuns: ChildRuns;
  host: LaneHost;
  logger: Logger;
}

type Request = { resolve(): void; reject(error: unknown): void } & (
  | { kind: 'look' | 'claim' }
  | { kind: 'report'; report: Report; sizeChars: number }
  | { kind: 'command'; event: EngineEvent; check: (run: KnownRun) => void }
);

const REQUESTS_MAX = 1_000;
const AWAY_RETRY_MS = 500;

export function createRunLanes({ known, committer, childRuns, host, logger }: LanesOptions): RunLanes {
  const lanes = new Map<RunId, { requests: Request[] }>();
  const idle = new Set<() => void>();
  const stopping = new AbortController();
  let creating = 0;

  return {
    async create(run, create, { events, signal }) {
      creating += 1;
      try {
        const sizeChars = create.run.inputText.length;
        return await commitTurn({ run, due: null, create, events, reports: [], sizeChars, signal });
      } finally {
        creating -= 1;
        tellIdle();
      }
    },
    look: (id) => post(id, (settle) => ({ kind: 'look', ...settle })),
    claim: (id) => post(id, (settle) => ({ kind: 'claim', ...settle })),
    report: (id, report, sizeChars) =>
      post(id, (settle) => ({ kind: 'report', report, sizeChars, ...settle })),
    command: (id, event, check) => post(id, (settle) => ({ kind: 'command', event, check, ...settle })),
    async idle() {
      if (lanes.size + creating > 0) await new Promise<void>((resolve) => idle.add(resolve));
    },
    stop: () => stopping.abort(),
  };

  function post(
    id: RunId,
    toRequest: (settle: Pick<Request, 'resolve' | 'reject'>) => Request,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      const request = toRequest({ resolve, reject });
      const lane = lanes.get(id);
      if (lane) {
        lane.requests.push(request);
        return;
      }
      lanes.set(id, { requests: [request] });
      workOn(id);
    });
  }

  async function workOn(id: RunId): Promise<void> {
    // What happens in one turn of the event loop is decided together.
    await Promise.resolve();
    const lane = lanes.get(id);
    while (lane && lane.requests.length > 0) {
      const requests = takeTurn(lane.requests);
      try {
        await settle(id, requests);
      } catch (error) {
        known.forget(id);
        for (const { reject } of requests) reject(error);
      }
    }
    lanes.delete(id);
    tellIdle();
  }

  function tellIdle(): void {
    if (lanes.size + creating > 0) return;
    for (const resolve of idle) resolve();
    idle.clear();
  }

  async function settle(id: RunId, requests: Request[]): Promise<void> {
    let left = requests;
    for (let isFirst = true; ; isFirst = false) {
      try {
        const isFresh = !isFirst || left.some(({ kind }) => kind === 'look');
        const found = isFresh ? await known.read(id) : await withoutDue(id);
        if (!found) throw new AppError('not_found', 'There is no such run.');
        left = refuse(left, found.run);
        if (!(await commitTurn(toTurn(found, left.flatMap(toInput))))) continue;
        for (const { resolve } of left) resolve();
        return;
      } catch (error) {
        if (!isAway(error) || stopping.signal.aborted) throw error;
        left = keepReports(left, error);
        if (left.length === 0) return;
        await pause(AWAY_RETRY_MS, undefined, { signal: stopping.signal }).catch(() => {});
      }
    }
  }

  async function withoutDue(id: RunId): Promise<{ run: KnownRun; due: null } | null> {
    const run = await known.get(id);
    return run && { run, due: null };
  }

  /** Decides and commits. False when the run was not what it was taken for. */
  async function commitTurn(turn: Turn): Promise<boolean> {
    const { run, due } = turn;
    const { decision, claimed, children } = await decideTurn(turn, { childRuns, room: host });
    let promised = claimed.length;
    try {
      host.adopt(run, adoptable(run, decision));
      if (due?.nextInMs != null) host.awaits(run.id, due.nextInMs);
      const isBegun = run.isBegun || turn.events.some(({ type }) => type === 'start');
      const commit = toCommit({
        ...turn,
        decision,
        children,
        isBegun,
        lapsed: due?.lapsed ?? [],
        wakes: due?.wakes ?? [],
        heeded: due?.inbox.map(({ id }) => id) ?? [],
        worker: host.worker,
      });
      if (!commit) return true;
      const outcome = await committer.commit(commit, turn.sizeChars, turn.signal);
      if (!outcome.passed) return false;
      promised = 0;
      takeEffect(turn, { decision, commit, claimed, outcome });
      return true;
    } finally {
      host.release(promised);
    }
  }

  function takeEffect({ run, sizeChars }: Turn, { decision, commit, claimed, outcome }: Effect): void {
    const wasEnded = isEnded(run.model.facts.status);
    const change: CommittedChange = {
      run,
      decision,
      commit,
      claimed,
      stopped: stoppedBy(run, decision),
      hasEnded: !wasEnded && isEnded(decision.run.status),
    };
    advance(run, { decision, commit, outcome });
    run.sizeChars += sizeChars;
    if (isEnded(decision.run.status)) known.forget(run.id);
    else known.keep(run);
    try {
      host.committed(change);
    } catch (error) {
      logger.error('what follows a commit failed', { runId: run.id, error: error as Error });
    }
  }

  /** Attempts that the store says are ours, and that we know nothing of: the answer to their commit was lost. */
  function adoptable({ id, model, workers }: KnownRun, { steps }: Decision): StepState[] {
    const changed = new Set(steps.map(({ step }) => step.key));
    return [...workers].flatMap(([key, worker]) => {
      const step = model.step(key);
      if (worker !== host.worker || step?.status !== 'running' || changed.has(key)) return [];
      return host.holds(id, step) ? [] : [step];
    });
  }
}

/** The next requests that may be decided together: one command at most, since each is checked against the run. */
function takeTurn(requests: Request[]): Request[] {
  const command = requests.findIndex(({ kind }) => kind === 'command');
  return requests.splice(0, command < 0 ? REQUESTS_MAX : Math.min(command + 1, REQUESTS_MAX));
}

function refuse(requests: Request[], run: KnownRun): Request[] {
  return requests.filter((request) => {
    if (request.kind !== 'command') return true;
    try {
      request.check(run);
      return true;
    } catch (error) {
      request.reject(error);
      return false;
    }
  });
}

function keepReports(requests: Request[], error: unknown): Request[] {
  for (const request of requests) if (request.kind !== 'report') request.reject(error);
  return requests.filter(({ kind }) => kind === 'report');
}

function toInput(request: Request): TurnInput[] {
  if (request.kind === 'report') return [{ event: request.report.event, ...request }];
  return request.kind === 'command' ? [{ event: request.event }] : [];
}

function isAway(error: unknown): boolean {
  return error instanceof AppError && error.code === 'store_unavailable';
}
