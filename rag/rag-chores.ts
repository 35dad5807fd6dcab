import type { Logger } from '../core/logger.ts';

/** What is looked at now and then, by each process that takes documents in. */
export interface RagChores {
  /** Does each, its time come or not: at once, or at the next look where a turn has passed it by. Never throws. */
  tick(): Promise<void>;
  start(): void;
  /** May be called twice. */
  stop(): Promise<void>;
}

interface RagChore {
  /** Whether it has more to do before long. */
  run(): Promise<boolean>;
  /** How long it rests where it has not: what finds nothing costs its look all the same. */
  everyMs: number;
}

const LOOK_EVERY_MS = 1_000;

export function createRagChores(chores: readonly RagChore[], logger: Logger): RagChores {
  const dueMs = new Map<RagChore, number>();
  let timer: NodeJS.Timeout | undefined;
  let turn: Promise<void> | undefined;
  let isStopped = false;

  return {
    tick() {
      // During a turn, too: what it has passed by is done at the next look.
      dueMs.clear();
      return turnOfDue();
    },
    start() {
      if (!isStopped && !timer) schedule();
    },
    async stop() {
      isStopped = true;
      clearTimeout(timer);
      await turn;
    },
  };

  function schedule(): void {
    timer = setTimeout(async () => {
      await turnOfDue();
      if (!isStopped) schedule();
    }, LOOK_EVERY_MS);
  }

  /** One turn at a time: who asks during one waits for it. */
  function turnOfDue(): Promise<void> {
    const nowMs = performance.now();
    turn ??= doAll(chores.filter((chore) => nowMs >= (dueMs.get(chore) ?? 0))).finally(() => {
      turn = undefined;
    });
    return turn;
  }

  async function doAll(due: readonly RagChore[]): Promise<void> {
    for (const chore of due) {
      dueMs.set(chore, performance.now() + chore.everyMs);
      try {
        if (await chore.run()) dueMs.delete(chore);
      } catch (error) {
        logger.debug('a chore of the collections failed', { error: error as Error });
      }
    }
  }
}
