import type { MachineFacts } from '../machine-facts.ts';
import { formatTable } from '../text-table.ts';
import type { Measured } from './measure.ts';
import { CHAIN_STEPS, type Plan } from './plan.ts';
import { SIZE_TITLES, type SizeId } from './sizes.ts';

export interface ReportInput {
  machine: MachineFacts;
  plan: Plan;
  measured: readonly Measured[];
  missing: readonly { id: SizeId; reason: string }[];
  /** Of all cores, by processes outside of the run; null where the system does not tell. */
  foreignLoad: number | null;
}

export interface GoalResult {
  title: string;
  limit: string;
  value: string;
  /** Null where it was not measured. */
  isMet: boolean | null;
}

/** With more than this of the processors gone to others, the numbers are about them. */
const FOREIGN_LOAD_MAX = 0.1;
const STEPS_PER_SECOND = { embedded: 150, server: 800 } as const;
const STEP_MS_MAX = 5;
const MAP_RATIO_MAX = 12;

export function formatReport(input: ReportInput): string {
  const { machine, measured, plan, missing, foreignLoad } = input;
  const noise =
    foreignLoad !== null && foreignLoad > FOREIGN_LOAD_MAX
      ? [`NOISY: other processes took ${(foreignLoad * 100).toFixed(0)} % of the processors.`]
      : [];
  const { widths } = plan.maps;
  return [
    [
      `Citadel's benchmark of workflows: ${machine.cores} cores (${machine.processor}), ${machine.memoryGb} GB, ${machine.system}, Node ${machine.node}`,
      'Every step is a chat with the simulated server, which answers at once. The server, the callers, the stores and',
      'Citadel share the machine.',
      ...noise,
    ].join('\n'),
    `Steps (chains of ${CHAIN_STEPS}, ${plan.chain.runsAtOnce} runs at once; a run by itself; runs started)\n${formatTable(
      ['', 'steps/s', 'ms a step, at once', 'p50 ms a step, alone', 'p99', 'starts/s', 'faults'],
      measured.map((one) => [
        SIZE_TITLES[one.id],
        one.stepsPerSecond.toFixed(0),
        one.stepUnderLoadP50Ms.toFixed(1),
        one.stepP50Ms.toFixed(1),
        one.stepP99Ms.toFixed(1),
        one.startsPerSecond.toFixed(0),
        one.faults === 0 ? '0' : `${one.faults} INVALID`,
      ]),
    )}`,
    `A map of chats, 64 at once\n${formatTable(
      ['', ...widths.flatMap((width) => [`${width} wide`, 'chats/s']), 'ratio'],
      measured.map((one) => [
        SIZE_TITLES[one.id],
        ...one.maps.flatMap(({ tookMs, stepsPerSecond }) => [
          `${(tookMs / 1_000).toFixed(2)} s`,
          stepsPerSecond.toFixed(0),
        ]),
        ratioOf(one)?.toFixed(1) ?? '–',
      ]),
    )}`,
    ...(missing.length === 0
      ? []
      : [['Not measured', ...missing.map(({ id, reason }) => `  ${SIZE_TITLES[id]}: ${reason}`)].join('\n')]),
    `Targets\n${formatTable(
      ['', 'wanted', 'measured', ''],
      checkGoals(measured).map(({ title, limit, value, isMet }) => [
        title,
        limit,
        value,
        isMet === null ? 'not measured' : isMet ? 'met' : 'MISSED',
      ]),
    )}`,
  ].join('\n\n');
}

export function checkGoals(measured: readonly Measured[]): GoalResult[] {
  const of = (id: SizeId) => measured.find((one) => one.id === id);
  // Either way of running on Redis and Postgres will do.
  const onStores = [of('server'), of('fleet')].filter((one) => one !== undefined);
  const most = Math.max(...onStores.map((one) => one.stepsPerSecond));
  const fastest = Math.min(...onStores.map((one) => one.stepP50Ms));
  return [
    goal('on Redis + Postgres, steps per second', most, { atLeast: STEPS_PER_SECOND.server }),
    goal('on Redis + Postgres, ms a step (p50)', fastest, { atMost: STEP_MS_MAX }),
    goal('embedded, steps per second', of('embedded')?.stepsPerSecond, {
      atLeast: STEPS_PER_SECOND.embedded,
    }),
    ...measured.map((one) =>
      goal(`${SIZE_TITLES[one.id]}: a map ten times as wide`, ratioOf(one), { atMost: MAP_RATIO_MAX }),
    ),
  ];
}

function goal(
  title: string,
  value: number | undefined,
  limit: { atLeast: number } | { atMost: number },
): GoalResult {
  const isKnown = value !== undefined && Number.isFinite(value);
  const isMet = isKnown ? ('atLeast' in limit ? value >= limit.atLeast : value <= limit.atMost) : null;
  const text = 'atLeast' in limit ? `≥ ${limit.atLeast}` : `≤ ${limit.atMost}`;
  return { title, limit: text, value: isKnown ? value.toFixed(1) : '–', isMet };
}

function ratioOf({ maps: [narrow, wide] }: Measured): number | undefined {
  return narrow === undefined || wide === undefined ? undefined : wide.tookMs / narrow.tookMs;
}
