// What the balancer and the limits of a key cost: calls with them and without, in turn within seconds, so that a machine
// whose speed changes shows in neither; and of one process, because of two that do the same one may need half as much
// processor time again for as long as it lives (what is compiled, and when, is chance). Where there is a key, everybody
// must show one: so it is deleted from the store before the calls without.

import pg from 'pg';
import { postgresService } from '../test/support/postgres.ts';
import { waitFor } from '../test/support/wait-for.ts';
import { startLoadClient } from './load-client.ts';
import type { Faults } from './load-job.ts';
import type { PartContext, PartResult } from './part.ts';
import { chatJob, chatRequest, type Entry, LONE_MODEL } from './plan.ts';
import { sumProcessorMs } from './process-facts.ts';
import { mean, percentile } from './statistics.ts';
import { missingFor, postgresEnvironment, startStraight, startVariant } from './subjects.ts';
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
  /** Undefined for the one that all servers have. */
  model?: string;
  hasKey: boolean;
}

const PLAIN: Variant = { title: '1 server, no key', model: LONE_MODEL, hasKey: false };
const VARIANTS: readonly Variant[] = [
  { title: '1 server, a key with all limits', model: LONE_MODEL, hasKey: true },
  { title: `${SERVERS} servers, no key`, hasKey: false },
  { title: `${SERVERS} servers, a key with all limits`, hasKey: true },
];

/** Those without a key first, then those with one. */
const ALL: readonly Variant[] = [PLAIN, ...VARIANTS].toSorted((a, b) => Number(a.hasKey) - Number(b.hasKey));
const SWAPPED: readonly Variant[] = ALL.toSorted(
  (a, b) => Number(a.hasKey) - Number(b.hasKey) || ALL.indexOf(b) - ALL.indexOf(a),
);

interface Comparison {
  variant: Variant;
  /** Of each round. */
  rates: Rate[];
  plainRates: Rate[];
}

/** What one loop of calls came to. */
interface Rate {
  perSecond: number;
  /** NaN where the system does not tell. */
  processorMsPerCall: number;
  faults: Faults;
}

export async function measureOverhead(context: PartContext): Promise<PartResult> {
  const lack =
    missingFor('redis') ?? (postgresService.isInstalled ? null : `no Postgres: ${postgresService.install}`);
  if (lack !== null) {
    const text = `What balancing and limits cost: not measured, ${lack}`;
    return { text, results: { missing: lack }, isBroken: false };
  }
  const { plan, signal, say } = context;
  const load = startLoadClient(signal);
  const { starts, rounds, startMs, ...loop } = plan.overhead;
  const loopMs = loop.warmUpMs + loop.windowMs;
  const jobOf = ({ model }: Variant, caller: Entry) => ({
    ...chatJob(caller, plan, CONNECTIONS, model),
    ...loop,
  });
  const play = async (variant: Variant, caller: Entry, pids: readonly number[]): Promise<Rate> => {
    const beforeMs = sumProcessorMs(pids);
    const { perSecond, faults } = await load.run(jobOf(variant, caller), loopMs + SPARE_MS);
    const usedMs = (sumProcessorMs(pids) ?? Number.NaN) - (beforeMs ?? Number.NaN);
    return { perSecond, faults, processorMsPerCall: usedMs / ((perSecond * loopMs) / 1_000) };
  };
  const comparisons = VARIANTS.map((variant): Comparison => ({ variant, rates: [], plainRates: [] }));
  try {
    for (let start = 1; start <= starts; start += 1) {
      const { callerFor, pids } = await startOne(context, start);
      // As many calls of each kind: code must be compiled for all of them before any is measured.
      for (const variant of ALL) {
        const job = { ...jobOf(variant, await callerFor(variant)), warmUpMs: 0, windowMs: startMs };
        await load.run(job, startMs + SPARE_MS);
      }
      for (let round = 0; round < rounds; round += 1) {
        say(`overhead, start ${start} of ${starts}, round ${round + 1} of ${rounds}`);
        const rates = new Map<Variant, Rate>();
        for (const variant of inTurn(round)) {
          rates.set(variant, await play(variant, await callerFor(variant), pids));
        }
        addRound(comparisons, rates);
      }
      await context.around.processes.killAll();
    }
    return {
      text: format(comparisons),
      results: { comparisons, lost: lostOf(comparisons.at(-1)), lostMax: LOST_MAX },
      isBroken: comparisons.some((comparison) => countFaults(faultsOf(comparison)) > 0),
    };
  } finally {
    load.stop();
  }
}

/** Nobody is always the first, or always after the same one; those of a kind follow each other, for the key's sake. */
function inTurn(round: number): readonly Variant[] {
  return [ALL, ALL.toReversed(), SWAPPED, SWAPPED.toReversed()][round % 4] ?? ALL;
}

interface Running {
  /** Who makes the variant's calls; by then there is a key, or none. */
  callerFor(variant: Variant): Promise<Entry>;
  pids: readonly number[];
}

async function startOne({ around }: PartContext, start: number): Promise<Running> {
  const straight = await startStraight(around);
  const serverPort = Number(new URL(straight.origin).port);
  const store = await postgresEnvironment(around);
  const id = `overhead-${start}`;
  const options = { id, servers: SERVERS, loneModel: LONE_MODEL, hasRedis: true, serverPort, env: store };
  const { origin, headers, processes } = await startVariant(options, around);
  const anyone = { origin, headers };
  let holder: Entry | null = null;
  return {
    async callerFor({ hasKey }) {
      if (hasKey) {
        holder ??= { origin, headers: await makeKey(origin) };
        return holder;
      }
      if (holder) await deleteKeys(store.DATABASE_URL, anyone);
      holder = null;
      return anyone;
    },
    pids: processes.map(({ pid }) => pid),
  };
}

async function deleteKeys(url: string | undefined, anyone: Entry): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query('DELETE FROM citadel.api_key');
  await client.end();
  const { origin, headers, body } = chatRequest(anyone, LONE_MODEL);
  const isOpen = () =>
    fetch(`${origin}/v1/chat/completions`, { method: 'POST', headers, body }).then(({ ok }) => ok);
  await waitFor(isOpen, 'a call without a key is let in');
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
    if (!own || !plain) throw new Error(`"${comparison.variant.title}" was not played.`);
    comparison.rates.push(own);
    comparison.plainRates.push(plain);
  }
}

function format(comparisons: readonly Comparison[]): string {
  const rows = comparisons.map((comparison) => {
    const { variant, rates, plainRates } = comparison;
    const ratios = rates.map(({ perSecond }, at) => perSecond / (plainRates[at]?.perSecond ?? Number.NaN));
    const faults = faultsOf(comparison);
    return [
      variant.title,
      mean(rates.map(perSecondOf)).toFixed(0),
      mean(plainRates.map(perSecondOf)).toFixed(0),
      `${(1 - lostOf(comparison)).toFixed(3)}×`,
      `${percentile(ratios, 0.25).toFixed(2)}–${percentile(ratios, 0.75).toFixed(2)}`,
      `${(processorMsPerCall(rates) / processorMsPerCall(plainRates)).toFixed(3)}×`,
      countFaults(faults) === 0 ? '0' : `INVALID ${JSON.stringify(faults)}`,
    ];
  });
  const lost = lostOf(comparisons.at(-1));
  const verdict = lost <= LOST_MAX ? 'met' : 'MISSED';
  return [
    `What balancing and limits cost: on Redis and Postgres, ${CONNECTIONS} connections, all of ${comparisons[0]?.rates.length} rounds`,
    formatTable(['', 'req/s', PLAIN.title, 'ratio', 'half of rounds', 'CPU per call', 'faults'], rows),
    `  together at most ${LOST_MAX * 100} % of req/s: ${(lost * 100).toFixed(1)} %   ${verdict}`,
  ].join('\n');
}

/** Of the calls that were served in as much time without. */
function lostOf(comparison: Comparison | undefined): number {
  if (!comparison) return Number.NaN;
  return 1 - mean(comparison.rates.map(perSecondOf)) / mean(comparison.plainRates.map(perSecondOf));
}

const perSecondOf = ({ perSecond }: Rate) => perSecond;

/** NaN where the system does not tell. */
function processorMsPerCall(rates: readonly Rate[]): number {
  const usedMs = rates.map((rate) => rate.processorMsPerCall * rate.perSecond);
  return mean(usedMs) / mean(rates.map(perSecondOf));
}

function faultsOf({ rates, plainRates }: Comparison): Faults {
  const sum: Faults = {};
  for (const { faults } of [...rates, ...plainRates])
    for (const [fault, count] of Object.entries(faults)) sum[fault] = (sum[fault] ?? 0) + count;
  return sum;
}
