// What the balancer and the limits of a key cost: one Citadel on Redis with them and one without, in turn within seconds,
// so that a machine whose speed changes shows in neither.

import { startLoadClient } from './load-client.ts';
import type { Faults } from './load-job.ts';
import type { PartContext, PartResult } from './part.ts';
import { chatJob, type Entry } from './plan.ts';
import { sumProcessorMs } from './process-facts.ts';
import { median } from './statistics.ts';
import { missingFor, startStraight, startVariant } from './subjects.ts';
import { countFaults } from './summary.ts';
import { formatTable } from './text-table.ts';

const CONNECTIONS = 64;
const SERVERS = 20;
/** Together. */
const LOST_MAX = 0.1;
/** None of them is reached. */
const MANY = 100_000;
const LIMITS = {
  requests_per_minute: 10_000_000,
  tokens_per_minute: 1_000_000_000,
  max_concurrency: MANY,
  token_budget: { tokens: 1_000_000_000_000, per: 'day' },
};
const SPARE_MS = 45_000;

interface Variant {
  title: string;
  servers: number;
  hasKey: boolean;
}

const PLAIN: Variant = { title: '1 server, no keys', servers: 1, hasKey: false };
const VARIANTS: readonly Variant[] = [
  { title: '1 server, a key with all limits', servers: 1, hasKey: true },
  { title: `${SERVERS} servers, no keys`, servers: SERVERS, hasKey: false },
  { title: `${SERVERS} servers, a key with all limits`, servers: SERVERS, hasKey: true },
];

interface Comparison {
  variant: Variant;
  perSecond: number[];
  plainPerSecond: number[];
  /** Of each round, with against without. */
  ratios: number[];
  /** The same of the processor time for a call, which others on the machine disturb least. */
  processorRatios: number[];
  faults: Faults;
}

interface Running {
  entry: Entry;
  pids: readonly number[];
}

/** What one loop of calls came to. */
interface Rate {
  perSecond: number;
  /** NaN where the system does not tell. */
  processorMsPerCall: number;
  faults: Faults;
}

export async function measureOverhead(context: PartContext): Promise<PartResult> {
  const lack = missingFor('redis');
  if (lack !== null) {
    const text = `What balancing and limits cost: not measured, ${lack}`;
    return { text, results: { missing: lack }, isBroken: false };
  }
  const { plan, signal, say } = context;
  const load = startLoadClient(signal);
  const loopMs = plan.loop.warmUpMs + plan.loop.windowMs;
  const play = async ({ entry, pids }: Running): Promise<Rate> => {
    const beforeMs = sumProcessorMs(pids);
    const { perSecond, faults } = await load.run(chatJob(entry, plan, CONNECTIONS), loopMs + SPARE_MS);
    const usedMs = (sumProcessorMs(pids) ?? Number.NaN) - (beforeMs ?? Number.NaN);
    return { perSecond, faults, processorMsPerCall: usedMs / ((perSecond * loopMs) / 1_000) };
  };
  const comparisons = VARIANTS.map(
    (variant): Comparison => ({
      variant,
      perSecond: [],
      plainPerSecond: [],
      ratios: [],
      processorRatios: [],
      faults: {},
    }),
  );
  const { starts, rounds, warmUpMs } = plan.overhead;
  try {
    for (let start = 1; start <= starts; start += 1) {
      // New processes each time: how well one does for as long as it lives is also chance.
      const running = await startAll(context, start);
      // As many calls for each: what has served more is compiled better.
      for (const { entry } of running.values()) {
        const job = { ...chatJob(entry, plan, CONNECTIONS), warmUpMs: 0, windowMs: warmUpMs };
        await load.run(job, warmUpMs + SPARE_MS);
      }
      for (let round = 0; round < rounds; round += 1) {
        say(`overhead, start ${start} of ${starts}, round ${round + 1} of ${rounds}`);
        const rates = new Map<Variant, Rate>();
        for (const [variant, one] of rotate([...running], round)) rates.set(variant, await play(one));
        addRound(comparisons, rates);
      }
      await context.around.processes.killAll();
    }
    return {
      text: format(comparisons),
      results: { comparisons, lost: lostOf(comparisons.at(-1)), lostMax: LOST_MAX },
      isBroken: comparisons.some(({ faults }) => countFaults(faults) > 0),
    };
  } finally {
    load.stop();
  }
}

/** Nobody is always the first, or always after the same one. */
function rotate<T>(items: readonly T[], by: number): T[] {
  const turned = [...items.slice(by % items.length), ...items.slice(0, by % items.length)];
  return Math.floor(by / items.length) % 2 === 0 ? turned : turned.reverse();
}

async function startAll({ around, signal }: PartContext, start: number): Promise<Map<Variant, Running>> {
  const straight = await startStraight(around);
  const serverPort = Number(new URL(straight.origin).port);
  const running = new Map<Variant, Running>();
  // Each of them is once the first to be started and warmed up.
  for (const variant of rotate([PLAIN, ...VARIANTS], start)) {
    signal.throwIfAborted();
    const id = `overhead-${start}-${running.size}`;
    const options = { id, servers: variant.servers, hasRedis: true, serverPort };
    const { origin, processes } = await startVariant(options, around);
    const headers = variant.hasKey ? await makeKey(origin) : {};
    running.set(variant, { entry: { origin, headers }, pids: processes.map(({ pid }) => pid) });
  }
  return running;
}

async function makeKey(origin: string): Promise<Record<string, string>> {
  const response = await fetch(`${origin}/api/v1/keys`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'bench', ...LIMITS }),
  });
  if (!response.ok) throw new Error(`No key could be made: ${await response.text()}`);
  const { key } = (await response.json()) as { key: string };
  return { authorization: `Bearer ${key}` };
}

function addRound(comparisons: readonly Comparison[], rates: ReadonlyMap<Variant, Rate>): void {
  const plain = rates.get(PLAIN);
  for (const comparison of comparisons) {
    const own = rates.get(comparison.variant);
    if (!own || !plain) throw new Error(`"${comparison.variant.title}" was not started.`);
    comparison.perSecond.push(own.perSecond);
    comparison.plainPerSecond.push(plain.perSecond);
    comparison.ratios.push(own.perSecond / plain.perSecond);
    comparison.processorRatios.push(own.processorMsPerCall / plain.processorMsPerCall);
    for (const [fault, count] of [...Object.entries(own.faults), ...Object.entries(plain.faults)])
      comparison.faults[fault] = (comparison.faults[fault] ?? 0) + count;
  }
}

function format(comparisons: readonly Comparison[]): string {
  const rows = comparisons.map(({ variant, perSecond, plainPerSecond, ratios, processorRatios, faults }) => [
    variant.title,
    median(perSecond).toFixed(0),
    median(plainPerSecond).toFixed(0),
    `${median(ratios).toFixed(3)}×`,
    `${Math.min(...ratios).toFixed(2)}–${Math.max(...ratios).toFixed(2)}`,
    `${median(processorRatios).toFixed(3)}×`,
    countFaults(faults) === 0 ? '0' : `INVALID ${JSON.stringify(faults)}`,
  ]);
  const lost = lostOf(comparisons.at(-1));
  const verdict = lost <= LOST_MAX ? 'met' : 'MISSED';
  return [
    `What balancing and limits cost: on Redis, ${CONNECTIONS} connections, medians of ${comparisons[0]?.ratios.length} rounds`,
    formatTable(['', 'req/s', `${PLAIN.title}`, 'ratio', 'of rounds', 'CPU per call', 'faults'], rows),
    `  together at most ${LOST_MAX * 100} % of req/s: ${(lost * 100).toFixed(1)} %   ${verdict}`,
  ].join('\n');
}

function lostOf(comparison: Comparison | undefined): number {
  return 1 - median(comparison?.ratios ?? []);
}
