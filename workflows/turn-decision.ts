// What is decided in a turn, and what it takes of the process's room for steps.
// I1: who is promised room is promised all that is free, and says what it takes of it before anybody else is asked. A
//     lane that found nothing would leave its steps to the relay, for a second or two each.
import type { ChildRuns } from './child-runs.ts';
import { decideAll } from './decide.ts';
import { claimedSteps } from './run-commit.ts';
import type { LaneHost } from './run-lanes.ts';
import type { Decision, EngineEvent, StepState } from './run-state.ts';
import type { NewRun } from './run-store.ts';
import type { Turn } from './run-turn.ts';

interface TurnDecision {
  decision: Decision;
  /** Steps that it takes into `running`: there is room promised for them. */
  claimed: StepState[];
  /** Runs that it starts, by the key of their step. */
  children: Map<string, NewRun>;
}

type Room = Pick<LaneHost, 'reserve' | 'release'>;

/** Throws AppError `store_unavailable`, with nothing promised. */
export async function decideTurn(
  turn: Turn,
  { childRuns, room }: { childRuns: ChildRuns; room: Room },
): Promise<TurnDecision> {
  const failures: EngineEvent[] = [];
  for (;;) {
    const { decision, claimed } = decideWithin(room, turn, failures);
    try {
      const prepared = await childRuns.prepare(turn.run, decision);
      if (prepared.failures.length === 0) return { decision, claimed, children: prepared.children };
      failures.push(...prepared.failures);
    } catch (error) {
      room.release(claimed.length);
      throw error;
    }
    room.release(claimed.length);
  }
}

// I1
function decideWithin(room: Room, { run, events }: Turn, failures: readonly EngineEvent[]) {
  const max = room.reserve(run.id);
  let taken = 0;
  try {
    const decision = decideAll(run.model, [...events, { type: 'claim', keys: null, max }, ...failures]);
    const claimed = claimedSteps(run.model, decision);
    taken = claimed.length;
    return { decision, claimed };
  } finally {
    room.release(max - taken);
  }
}
