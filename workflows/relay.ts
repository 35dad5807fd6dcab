import { failPoint } from '../core/fail-point.ts';
import type { Logger } from '../core/logger.ts';
import type { RunStore } from './run-store.ts';
import type { StepRunner } from './step-runner.ts';

/** Work that is looked for each second: it does some of it, or nothing. */
type Chore = () => Promise<void>;

/** Finds what is due and that nobody sees to: whose process is gone, whose ring was lost, whose time has come. */
export interface Relay {
  /** Looks once; runs by itself each second. Never throws. */
  tick(): Promise<void>;
  start(): void;
  /** May be called twice. */
  stop(): Promise<void>;
}

interface RelayOptions {
  store: Pick<RunStore, 'takeDue'>;
  runner: Pick<StepRunner, 'look' | 'free' | 'admit'>;
  /** What else is due now and then. */
  chores: readonly Chore[];
  logger: Logger;
}

const EVERY_MS = 1_000;
const RUNS_MAX = 200;

export function createRelay({ store, runner, chores, logger }: RelayOptions): Relay {
  let timer: NodeJS.Timeout | undefined;
  let turn: Promise<void> = Promise.resolve();
  let isStopped = false;

  return {
    tick,
    start() {
      if (isStopped || timer) return;
      schedule();
    },
    async stop() {
      isStopped = true;
      clearTimeout(timer);
      await turn;
    },
  };

  function schedule(): void {
    timer = setTimeout(async () => {
      await tick();
      if (!isStopped) schedule();
    }, EVERY_MS);
  }

  function tick(): Promise<void> {
    turn = Promise.all([findDue, runner.admit, ...chores].map(doOne)).then(() => {});
    return turn;
  }

  async function doOne(chore: Chore): Promise<void> {
    try {
      await chore();
    } catch (error) {
      logger.debug('the relay could not look', { error: error as Error });
    }
  }

  async function findDue(): Promise<void> {
    const ids = await store.takeDue(RUNS_MAX, { withReady: runner.free() > 0 });
    if (ids.length > 0) failPoint('relay.claim');
    for (const id of ids) runner.look(id);
  }
}
