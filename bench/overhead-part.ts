// What the balancer and the limits of a key cost: one Citadel on Redis with them and one without, in turn within seconds,
// so that a machine whose speed changes shows in neither.

import { startLoadClient } from './load-client.ts';
import type { Faults } from './load-job.ts';
import type { PartContext, PartResult } from './part.ts';
import { chatJob, type Entry, type Plan, warmUpJob } from './plan.ts';
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
  title: string;
  perSecond: number[];
  plainPerSecond: number[];
  /** Of each pair, with against without. */
  ratios: number[];
  /** The same of the processor time for a call, which others on the machine disturb least; of pairs that tell it. */
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
  const comparisons = VARIANTS.map(({ title }): Comparison => {
    return { title, perSecond: [], plainPerSecond: [], ratios: [], processorRatios: [], faults: {} };
  });
  try {
    for (let pair = 1; pair <= plan.overheadPairs; pair += 1) {
      say(`overhead, pair ${pair} of ${plan.overheadPairs}`);
      // New processes each time: how well one does for as long as it lives is also chance.
      const running = await startAll(context, pair);
      for (const { entry } of running.values())
        await load.run(warmUpJob(entry, plan), plan.warmUpMs + SPARE_MS);
      await compare(running, play, { comparisons, isPlainFirst: pair % 2 === 1 });
      await context.around.processes.killAll();
    }
    return {
      text: format(comparisons, plan),
      results: { comparisons, lost: lostOf(comparisons.at(-1)), lostMax: LOST_MAX },
      isBroken: comparisons.some(({ faults }) => countFaults(faults) > 0),
    };
  } finally {
    load.stop();
  }
}

async function startAll({ around, signal }: PartContext, pair: number): Promise<Map<Variant, Running>> {
  const straight = await startStraight(around);
  const serverPort = Number(new URL(straight.origin).port);
  const running = new Map<Variant, Running>();
  for (const [index, variant] of [PLAIN, ...VARIANTS].entries()) {
    signal.throwIfAborted();
    const id = `overhead-${pair}-${index}`;
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

async function compare(
  running: Map<Variant, Running>,
  play: (one: Running) => Promise<Rate>,
  { comparisons, isPlainFirst }: { comparisons: readonly Comparison[]; isPlainFirst: boolean },
): Promise<void> {
  const playOne = async (variant: Variant) => {
    const one = running.get(variant);
    if (!one) throw new Error(`"${variant.title}" was not started.`);
    return await play(one);
  };
  for (const [index, comparison] of comparisons.entries()) {
    const variant = VARIANTS[index] ?? PLAIN;
    const first = await playOne(isPlainFirst ? PLAIN : variant);
    const second = await playOne(isPlainFirst ? variant : PLAIN);
    addPair(comparison, isPlainFirst ? [second, first] : [first, second]);
  }
}

function addPair(comparison: Comparison, [own, plain]: [Rate, Rate]): void {
  comparison.perSecond.push(own.perSecond);
  comparison.plainPerSecond.push(plain.perSecond);
  comparison.ratios.push(own.perSecond / plain.perSecond);
  comparison.processorRatios.push(own.processorMsPerCall / plain.processorMsPerCall);
  for (const faults of [own.faults, plain.faults]) {
    for (const [fault, count] of Object.entries(faults)) {
      comparison.faults[fault] = (comparison.faults[fault] ?? 0) + count;
    }
  }
}

function format(comparisons: readonly Comparison[], { overheadPairs }: Plan): string {
  const rows = comparisons.map(({ title, perSecond, plainPerSecond, ratios, processorRatios, faults }) => [
    title,
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
    `What balancing and limits cost: on Redis, ${CONNECTIONS} connections, medians of ${overheadPairs} pairs in turn`,
    formatTable(['', 'req/s', `${PLAIN.title}`, 'ratio', 'of pairs', 'CPU per call', 'faults'], rows),
    `  together at most ${LOST_MAX * 100} % of req/s: ${(lost * 100).toFixed(1)} %   ${verdict}`,
  ].join('\n');
}

function lostOf(comparison: Comparison | undefined): number {
  return 1 - median(comparison?.ratios ?? []);
}
