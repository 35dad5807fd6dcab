// What Citadel uses while nobody calls it: 20 registered servers, which it goes on checking.

import { setTimeout as delay } from 'node:timers/promises';
import type { PartContext, PartResult } from './part.ts';
import { sumProcessorMs } from './process-facts.ts';
import { missingFor, startStraight, startVariant } from './subjects.ts';
import { formatTable } from './text-table.ts';

const SERVERS = 20;
const CORE_SHARE_MAX = 0.02;
/** The start is over, and what it left behind is collected. */
const SETTLE_MS = 15_000;

interface IdleUse {
  title: string;
  seconds: number;
  /** Of one core, 0 to 1; null where the system does not tell. */
  coreShare: number | null;
}

export async function measureIdle({ around, plan, signal, say }: PartContext): Promise<PartResult> {
  const straight = await startStraight(around);
  const serverPort = Number(new URL(straight.origin).port);
  const sizes = [
    { id: 'idle-embedded', title: 'Citadel embedded', hasRedis: false },
    ...(missingFor('redis') === null
      ? [{ id: 'idle-redis', title: 'Citadel on Redis', hasRedis: true }]
      : []),
  ];
  const started = [];
  for (const { id, title, hasRedis } of sizes) {
    const { processes } = await startVariant({ id, servers: SERVERS, hasRedis, serverPort }, around);
    // Its own process comes first; Redis is not part of it.
    started.push({ title, pids: processes.slice(0, 1).map(({ pid }) => pid) });
  }
  await delay(SETTLE_MS, undefined, { signal });
  say(`idle: ${SERVERS} servers, ${plan.idleMs / 1_000} s`);
  const before = started.map(({ pids }) => sumProcessorMs(pids));
  const sinceMs = performance.now();
  await delay(plan.idleMs, undefined, { signal });
  const tookMs = performance.now() - sinceMs;
  const uses = started.map(({ title, pids }, at): IdleUse => {
    const [beforeMs, afterMs] = [before[at] ?? null, sumProcessorMs(pids)];
    const coreShare = beforeMs === null || afterMs === null ? null : (afterMs - beforeMs) / tookMs;
    return { title, seconds: tookMs / 1_000, coreShare };
  });
  return { text: format(uses), results: { servers: SERVERS, uses, CORE_SHARE_MAX }, isBroken: false };
}

function format(uses: readonly IdleUse[]): string {
  const rows = uses.map(({ title, seconds, coreShare }) => [
    title,
    `${seconds.toFixed(0)} s`,
    coreShare === null ? '–' : `${(coreShare * 100).toFixed(2)} %`,
    coreShare === null ? 'not measured' : coreShare <= CORE_SHARE_MAX ? 'met' : 'MISSED',
  ]);
  return [
    `Idle, ${SERVERS} registered servers: at most ${CORE_SHARE_MAX * 100} % of a core`,
    formatTable(['', 'for', 'of a core', ''], rows),
  ].join('\n');
}
