import { checkGoals, type GoalResult } from './goals.ts';
import type { Faults } from './load-job.ts';
import type { MachineFacts } from './machine-facts.ts';
import { CONNECTIONS, type Plan, STREAM_TOKEN_MS } from './plan.ts';
import { FLEET_STORE, LIGHTWEIGHT_CONCURRENCY, SUBJECT_TITLES, type SubjectId } from './subjects.ts';
import { BEHIND_MS, countFaults, type SubjectSummary } from './summary.ts';
import { formatTable } from './text-table.ts';

export interface ReportInput {
  machine: MachineFacts;
  plan: Plan;
  roundsDone: number;
  /** Of all cores, by processes outside of the run; null where the system does not tell. */
  foreignLoad: number | null;
  summaries: readonly SubjectSummary[];
  /** Subjects that were asked for and not measured, and why. */
  missing: readonly { id: SubjectId; reason: string }[];
}

/** With more than this of the processors gone to others, the numbers are about them. */
const FOREIGN_LOAD_MAX = 0.1;

/** The results as text for a terminal. */
export function formatReport(input: ReportInput): string {
  const { summaries, plan } = input;
  return [
    heading(input),
    ...CONNECTIONS.map((connections) => chatSection(summaries, connections)),
    firstTokenSection(summaries),
    streamsSection(summaries, plan),
    memorySection(summaries),
    faultsSection(summaries),
    missingSection(input),
    goalsSection(checkGoals(summaries)),
  ]
    .filter((section) => section !== '')
    .join('\n\n');
}

function heading({ machine, roundsDone, foreignLoad }: ReportInput): string {
  const { cores, processor, memoryGb, system, node } = machine;
  const isNoisy = foreignLoad !== null && foreignLoad > FOREIGN_LOAD_MAX;
  return [
    `Citadel's benchmark: ${cores} cores (${processor}), ${memoryGb} GB, ${system}, Node ${node}`,
    `Medians of ${roundsDone} round${roundsDone === 1 ? '' : 's'}. The simulated server, the load generator, the gateway and Redis share the`,
    'machine, so the ratios within one run are what counts. Every Citadel runs with',
    `CITADEL_CLASSES_LIGHTWEIGHT_CONCURRENCY=${LIGHTWEIGHT_CONCURRENCY}; api + worker is on Redis and ${FLEET_STORE}.`,
    ...(isNoisy
      ? [
          `NOISY: other processes took ${(foreignLoad * 100).toFixed(0)} % of the processors during the run. Times and requests`,
          'per second say little then; run it again on a quiet machine. (CPU ms/req suffers least.)',
        ]
      : []),
  ].join('\n');
}

function chatSection(summaries: readonly SubjectSummary[], connections: number): string {
  const rows = summaries.flatMap(({ id, chat }) => {
    const found = chat.find((entry) => entry.connections === connections);
    if (!found) return [];
    const cells = [
      count(found.perSecond),
      ms(found.p50Ms),
      ms(found.p99Ms),
      added(id, found.addedP50Ms),
      ratio(found.vsStraight),
      ratio(found.vsPortkey),
      ms(found.processorMsPerCall),
    ];
    return [rowOf(id, cells, found.faults)];
  });
  const columns = [
    'req/s',
    'p50 ms',
    'p99 ms',
    'added p50',
    'vs straight',
    'vs Portkey',
    'CPU ms/req',
    'faults',
  ];
  const plural = connections === 1 ? 'connection' : 'connections';
  return section(`Chat in one piece, ${connections} ${plural}`, columns, rows);
}

function firstTokenSection(summaries: readonly SubjectSummary[]): string {
  const rows = summaries.map(({ id, firstToken }) => {
    const { p50Ms, p99Ms, addedP50Ms, addedP99Ms, faults } = firstToken;
    return rowOf(id, [ms(p50Ms), ms(p99Ms), added(id, addedP50Ms), added(id, addedP99Ms)], faults);
  });
  const columns = ['p50 ms', 'p99 ms', 'added p50', 'added p99', 'faults'];
  return section('First token of a stream, 4 connections (the server takes 20 ms)', columns, rows);
}

function streamsSection(summaries: readonly SubjectSummary[], { streams }: Plan): string {
  const rows = summaries.map(({ id, streams: found }) => {
    const cells = [
      count(found.tokensPerSecond),
      ratio(found.vsStraight),
      ratio(found.vsPortkey),
      `${(found.behindShare * 100).toFixed(1)} %`,
      ms(found.latenessP50Ms),
      ms(found.latenessP99Ms),
    ];
    return rowOf(id, cells, found.faults);
  });
  const columns = ['tokens/s', 'vs straight', 'vs Portkey', 'behind', 'late p50', 'late p99', 'faults'];
  const pace = `${1_000 / STREAM_TOKEN_MS} tokens/s`;
  return section(
    `${streams.count} streams at once, ${streams.tokens} tokens each at ${pace} (late: the last token, in ms; behind: by more than ${BEHIND_MS})`,
    columns,
    rows,
  );
}

function memorySection(summaries: readonly SubjectSummary[]): string {
  const rows = summaries.flatMap(({ id, memory }) =>
    memory.map(({ process, restMb, peakMb }) => [
      `${SUBJECT_TITLES[id]}: ${process}`,
      restMb.toFixed(0),
      peakMb.toFixed(0),
    ]),
  );
  if (rows.length === 0) return 'Memory: this system does not tell it (no /proc).';
  return section('Memory (RSS in MB)', ['at rest', 'peak under load'], rows);
}

function faultsSection(summaries: readonly SubjectSummary[]): string {
  const lines = summaries.flatMap(({ id, chat, firstToken, streams }) => {
    const kinds = [
      ...chat.map(({ connections, faults }) => ({ kind: `chat at ${connections}`, faults })),
      { kind: 'first token', faults: firstToken.faults },
      { kind: 'streams', faults: streams.faults },
    ];
    return kinds
      .filter(({ faults }) => countFaults(faults) > 0)
      .map(({ kind, faults }) => `  ${SUBJECT_TITLES[id]}, ${kind}: ${JSON.stringify(faults)}`);
  });
  return lines.length === 0 ? '' : ['Faults (these rows are not valid)', ...lines].join('\n');
}

function missingSection({ missing }: ReportInput): string {
  if (missing.length === 0) return '';
  return ['Not measured', ...missing.map(({ id, reason }) => `  ${SUBJECT_TITLES[id]}: ${reason}`)].join(
    '\n',
  );
}

function goalsSection(goals: readonly GoalResult[]): string {
  const rows = goals.map(({ title, value, limit, unit, isAtLeast, isMet }) => [
    title,
    `${isAtLeast ? '≥' : '≤'} ${limit}${unit}`,
    isMet === null ? '–' : `${value.toFixed(value >= 100 ? 0 : 2)}${unit}`,
    isMet === null ? 'not measured' : isMet ? 'met' : 'MISSED',
  ]);
  return section('Targets', ['wanted', 'measured', ''], rows);
}

function section(title: string, columns: readonly string[], rows: readonly (readonly string[])[]): string {
  return `${title}\n${formatTable(['', ...columns], rows)}`;
}

function rowOf(id: SubjectId, cells: readonly string[], faults: Faults): string[] {
  const wrong = countFaults(faults);
  return [SUBJECT_TITLES[id], ...cells, wrong === 0 ? '0' : `${wrong} INVALID`];
}

function added(id: SubjectId, value: number): string {
  return id === 'straight' || Number.isNaN(value) ? '–' : `${value < 0 ? '' : '+'}${ms(value)}`;
}

function count(value: number): string {
  return Number.isNaN(value) ? '–' : value.toFixed(0);
}

function ms(value: number): string {
  return Number.isNaN(value) ? '–' : value.toFixed(Math.abs(value) >= 100 ? 0 : 2);
}

function ratio(value: number): string {
  return Number.isFinite(value) ? `${value.toFixed(2)}×` : '–';
}
