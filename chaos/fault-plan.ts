import type { RandomSource } from './random-source.ts';

/** Something that is done to the trial at its time. */
export type Fault =
  | { kind: 'kill'; atMs: number; target: string }
  /** It begins anew, and is frozen at the point. */
  | { kind: 'freeze'; atMs: number; target: string; point: string; forMs: number }
  | { kind: 'redis-kill' | 'redis-flush' | 'postgres-restart' | 'postgres-kill'; atMs: number };

/** Where processes may be told to kill themselves, and at which pass at the most. */
const FAIL_POINTS: readonly (readonly [name: string, passMax: number])[] = [
  ['run.insert.before', 3],
  ['run.insert.after', 3],
  ['claim.after', 8],
  ['effect.after', 8],
  ['commit.before', 30],
  ['commit.after', 30],
  ['publish.before', 4],
  ['publish.after', 4],
  ['timer.fire', 4],
  ['signal.apply', 2],
  ['relay.claim', 3],
  ['webhook.sent', 2],
];

export const FAIL_POINT_NAMES = FAIL_POINTS.map(([name]) => name);

// A lease is 15 s: what wakes up after that has lost its steps.
const FREEZE_MS = [17_500, 23_000] as const;
/** What does not come to its point in this time is not frozen. */
export const FREEZE_WITHIN_MS = 20_000;
const FREEZE_PASS_MAX = 2;

/** Faults for `forMs`, in order. At most one process is frozen at a time. */
export function planFaults(
  random: RandomSource,
  { members, forMs, everyMs }: { members: readonly string[]; forMs: number; everyMs: number },
): Fault[] {
  const isFleet = members.length > 1;
  const faults: Fault[] = [];
  let frozen = { name: '', untilMs: 0 };
  for (let atMs = everyMs; atMs < forMs; atMs += random.integer(everyMs / 2, everyMs * 1.5)) {
    // What is frozen must wake up: that is what it is frozen for.
    const target = random.pick(members.filter((name) => name !== frozen.name || atMs > frozen.untilMs));
    const forFrozenMs = random.integer(...FREEZE_MS);
    const point = `effect.after:${random.integer(1, FREEZE_PASS_MAX)}`;
    const canFreeze = isFleet && atMs > frozen.untilMs && atMs + forFrozenMs < forMs;
    const fault = random.pickWeighted<Fault>([
      [8, { kind: 'kill', atMs, target }],
      [canFreeze ? 16 : 0, { kind: 'freeze', atMs, target, point, forMs: forFrozenMs }],
      [isFleet ? 1 : 0, { kind: 'redis-kill', atMs }],
      [isFleet ? 1 : 0, { kind: 'redis-flush', atMs }],
      [isFleet ? 1 : 0, { kind: 'postgres-restart', atMs }],
      [isFleet ? 1 : 0, { kind: 'postgres-kill', atMs }],
    ]);
    if (fault.kind === 'freeze') frozen = { name: target, untilMs: atMs + FREEZE_WITHIN_MS + fault.forMs };
    faults.push(fault);
  }
  return faults;
}

/** Which boundaries each further life of a process may end at: all of them in turn, and now and then none. */
export function createFailPointTurns(
  random: RandomSource,
  { armedShare, atOnce }: { armedShare: number; atOnce: number },
): () => string {
  let turn = random.integer(0, FAIL_POINTS.length - 1);
  return () => {
    if (!random.chance(armedShare)) return '';
    // Several: of the rare ones, hardly one would be passed before the process is killed anyway.
    return Array.from({ length: atOnce }, () => {
      const [name, passMax] = FAIL_POINTS[turn % FAIL_POINTS.length] ?? ['', 1];
      // Prime to the number of points: neighbours do not come together.
      turn += 5;
      return `${name}:${random.integer(1, passMax)}`;
    }).join(',');
  };
}
