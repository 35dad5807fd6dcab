// How many steps this process runs at once, and whose turn it is.
// I1: never more than `stepsMax` are at work or promised.
// I2: a run that has steps to begin gets a share of what comes free, however many another run has.
import type { RunId } from '../core/ids.ts';

export interface Room {
  free(): number;
  /** Promises the run as many steps as are its share now. */
  reserve(id: RunId): number;
  /** Gives back what was promised. */
  release(count: number): void;
  /** A promised step, or one that is this process's in any case, begins. */
  begin(isPromised: boolean): void;
  end(): void;
  /** The run has steps to begin that there was no room for. */
  wants(id: RunId): void;
  /** The runs whose turn it is, as many as there is room for. */
  takeTurns(): RunId[];
  /** Nothing begins any more. */
  close(): void;
}

const WANTING_MAX = 10_000;

export function createRoom(stepsMax: number): Room {
  const wanting = new Set<RunId>();
  const turns = new Set<RunId>();
  let atWork = 0;
  let promised = 0;
  let isClosed = false;

  const free = () => (isClosed ? 0 : Math.max(0, stepsMax - atWork - promised));

  return {
    free,
    reserve(id) {
      const others = wanting.size - Number(wanting.has(id));
      const share = free() / (others + 1);
      const count = turns.delete(id) ? Math.ceil(share) : Math.floor(share);
      promised += count;
      return count;
    },
    release(count) {
      promised -= count;
    },
    begin(isPromised) {
      if (isPromised) promised -= 1;
      atWork += 1;
    },
    end() {
      atWork -= 1;
    },
    wants(id) {
      if (wanting.size < WANTING_MAX) wanting.add(id);
    },
    takeTurns() {
      const taken: RunId[] = [];
      for (const id of wanting) {
        if (taken.length >= free()) break;
        taken.push(id);
      }
      for (const id of taken) {
        wanting.delete(id);
        turns.add(id);
      }
      return taken;
    },
    close() {
      isClosed = true;
    },
  };
}
