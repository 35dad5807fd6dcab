import { type Client, createClient } from '../../sdk/client.ts';
import type { RunRecord } from '../../sdk/records.ts';
import { median, percentile } from '../statistics.ts';
import { CHAIN, CHAIN_STEPS, MAP, type Plan, SINGLE } from './plan.ts';
import type { RunningSize, SizeId } from './sizes.ts';

/** What was measured of one size. Times in ms. */
export interface Measured {
  id: SizeId;
  /** With many runs at once. */
  stepsPerSecond: number;
  /** From the end of one step to that of the next, a run by itself. */
  stepP50Ms: number;
  stepP99Ms: number;
  /** A whole run's time by its steps, with many runs at once. */
  stepUnderLoadP50Ms: number;
  startsPerSecond: number;
  maps: { width: number; tookMs: number; stepsPerSecond: number }[];
  /** Runs that did not succeed. */
  faults: number;
}

export async function measureSize(
  { id, origin }: RunningSize,
  { plan, signal, say }: { plan: Plan; signal: AbortSignal; say: (line: string) => void },
): Promise<Measured> {
  const client = createClient({ baseUrl: origin });
  const faults = { count: 0 };
  const bench: Bench = { client, plan, signal, faults };
  say(`${id}: chains of ${CHAIN_STEPS} chats, ${plan.chain.runsAtOnce} at once`);
  const load = await measureLoad(bench);
  say(`${id}: one chain at a time`);
  const alone = await measureAlone(bench);
  say(`${id}: starts`);
  const startsPerSecond = await measureStarts(bench);
  const maps: Measured['maps'] = [];
  for (const width of plan.maps.widths) {
    say(`${id}: a map of ${width} chats`);
    const tookMs = await measureMap(bench, width);
    maps.push({ width, tookMs, stepsPerSecond: width / (tookMs / 1_000) });
  }
  return { id, ...load, ...alone, startsPerSecond, maps, faults: faults.count };
}

interface Bench {
  client: Client;
  plan: Plan;
  signal: AbortSignal;
  faults: { count: number };
}

/** Keeps so many runs at work; counts the steps of those that end within the window. */
async function measureLoad({ client, plan, signal, faults }: Bench) {
  const { warmUpMs, windowMs, runsAtOnce } = plan.chain;
  const beginMs = performance.now() + warmUpMs;
  const endMs = beginMs + windowMs;
  const tookMs: number[] = [];

  async function work(): Promise<void> {
    while (performance.now() < endMs) {
      signal.throwIfAborted();
      const startedMs = performance.now();
      const run = await client.runs.start(CHAIN, {}, { signal });
      const { status } = await run.outcome({ signal });
      const now = performance.now();
      if (status !== 'succeeded') faults.count += 1;
      if (now >= beginMs && now < endMs) tookMs.push(now - startedMs);
    }
  }

  await Promise.all(Array.from({ length: runsAtOnce }, work));
  return {
    stepsPerSecond: (tookMs.length * CHAIN_STEPS) / (windowMs / 1_000),
    stepUnderLoadP50Ms: median(tookMs) / CHAIN_STEPS,
  };
}

async function measureAlone({ client, plan, signal, faults }: Bench) {
  const perStepMs: number[] = [];
  for (let at = 0; at < plan.alone.runs; at += 1) {
    const run = await client.runs.start(CHAIN, {}, { signal });
    const { status } = await run.outcome({ signal });
    if (status !== 'succeeded') faults.count += 1;
    perStepMs.push(...stepTimes(await run.get()));
  }
  return { stepP50Ms: percentile(perStepMs, 0.5), stepP99Ms: percentile(perStepMs, 0.99) };
}

/** As the store has written them, in whole milliseconds. */
function stepTimes({ steps }: RunRecord): number[] {
  const ends = steps.map(({ finished_at }) => Date.parse(finished_at ?? ''));
  return ends.slice(1).map((end, at) => end - (ends[at] ?? Number.NaN));
}

/** How many runs are accepted; they have one step that is done at once. */
async function measureStarts({ client, plan, signal }: Bench): Promise<number> {
  const { windowMs, callers } = plan.starts;
  const startedMs = performance.now();
  let started = 0;

  async function work(): Promise<void> {
    while (performance.now() - startedMs < windowMs) {
      await client.runs.start(SINGLE, {}, { signal });
      started += 1;
    }
  }

  await Promise.all(Array.from({ length: callers }, work));
  return started / ((performance.now() - startedMs) / 1_000);
}

/** From its start to its last item, as the caller sees it. */
async function measureMap({ client, plan, signal, faults }: Bench, width: number): Promise<number> {
  const items = Array.from({ length: width }, (_, at) => at);
  const tookMs: number[] = [];
  for (let round = 0; round < plan.maps.rounds; round += 1) {
    const startedMs = performance.now();
    const run = await client.runs.start(MAP, { items }, { signal });
    const { status, output } = await run.outcome({ signal });
    tookMs.push(performance.now() - startedMs);
    if (status !== 'succeeded' || output?.length !== width) faults.count += 1;
  }
  return median(tookMs);
}
