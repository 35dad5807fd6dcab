import { type Fault, FREEZE_WITHIN_MS } from './fault-plan.ts';
import type { Member } from './member.ts';
import { pauseMs } from './pause-ms.ts';

export interface StoreControls {
  killRedis(): Promise<void>;
  flushRedis(): Promise<void>;
  restartPostgres(): Promise<void>;
  killPostgres(): Promise<void>;
}

interface PlayerDeps {
  members: readonly Member[];
  /** Null without stores of their own. */
  stores: StoreControls | null;
  signal: AbortSignal;
  say(line: string): void;
}

const SETTLED_MS = 4_000;

/** Does what is planned, each at its time; resolves when all is done and every process thawed. */
export async function playFaults(plan: readonly Fault[], deps: PlayerDeps): Promise<{ storeKills: number }> {
  const startedMs = performance.now();
  const thaws: Promise<void>[] = [];
  let storeKills = 0;
  for (const fault of plan) {
    await pauseMs(fault.atMs - (performance.now() - startedMs), deps.signal);
    if (deps.signal.aborted) break;
    const target = 'target' in fault ? fault.target : '';
    deps.say(`${(fault.atMs / 1_000).toFixed(1)} s: ${fault.kind} ${target}`);
    if (fault.kind === 'freeze') thaws.push(freeze(fault, deps));
    else storeKills += await strike(fault, deps);
  }
  await Promise.all(thaws);
  return { storeKills };
}

/** Frozen with a result in hand: when it wakes up, another process has taken over the step. */
async function freeze(
  { target, point, forMs }: Extract<Fault, { kind: 'freeze' }>,
  { members, signal, say }: PlayerDeps,
): Promise<void> {
  const member = findMember(members, target);
  const isFrozen = await member.freezeAt(point, { withinMs: FREEZE_WITHIN_MS, signal });
  say(isFrozen ? `${target} is frozen` : `${target} did not come to ${point}`);
  if (!isFrozen) return;
  await pauseMs(forMs, signal);
  say(`${target} is thawed`);
  member.thaw();
}

/** How many stores it has killed. */
async function strike(fault: Fault, { members, stores }: PlayerDeps): Promise<number> {
  if (fault.kind === 'kill') {
    if (canSpareOne(members)) findMember(members, fault.target).kill();
    return 0;
  }
  if (stores === null) return 0;
  if (fault.kind === 'redis-kill') await stores.killRedis();
  else if (fault.kind === 'redis-flush') await stores.flushRedis();
  else if (fault.kind === 'postgres-kill') await stores.killPostgres();
  else await stores.restartPostgres();
  return fault.kind === 'redis-flush' ? 0 : 1;
}

/** On a machine so busy that processes hardly come up, further kills would only keep them from it. */
function canSpareOne(members: readonly Member[]): boolean {
  return members.filter((member) => member.upMs() > SETTLED_MS).length > members.length / 2;
}

function findMember(members: readonly Member[], name: string): Member {
  const member = members.find((one) => one.name === name);
  if (!member) throw new Error(`There is no ${name}.`);
  return member;
}
