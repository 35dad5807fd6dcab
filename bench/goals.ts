import type { SubjectId } from './subjects.ts';
import { countFaults, type SubjectSummary } from './summary.ts';

export interface GoalResult {
  title: string;
  value: number;
  limit: number;
  unit: string;
  isAtLeast: boolean;
  /** Null where the run did not measure it. */
  isMet: boolean | null;
}

interface Goal {
  title: string;
  of: SubjectId;
  unit: string;
  limit: number;
  isAtLeast: boolean;
  value: (summary: SubjectSummary) => number;
}

const chat = (summary: SubjectSummary, connections: number) =>
  summary.chat.find((entry) => entry.connections === connections);
const peakMb = ({ memory }: SubjectSummary, process: string) =>
  memory.find((use) => use.process === process)?.peakMb ?? Number.NaN;
const atLeast = { isAtLeast: true };
const atMost = { isAtLeast: false };

const GOALS: readonly Goal[] = [
  {
    ...atLeast,
    title: 'on Redis, requests per second at 64 connections against Portkey',
    of: 'redis',
    unit: '×',
    limit: 1,
    value: (summary) => chat(summary, 64)?.vsPortkey ?? Number.NaN,
  },
  {
    ...atMost,
    title: 'on Redis, added at 1 connection (p50)',
    of: 'redis',
    unit: ' ms',
    limit: 1,
    value: (summary) => chat(summary, 1)?.addedP50Ms ?? Number.NaN,
  },
  {
    ...atLeast,
    title: 'embedded, requests per second at 64 connections',
    of: 'embedded',
    unit: '/s',
    limit: 250,
    value: (summary) => chat(summary, 64)?.perSecond ?? Number.NaN,
  },
  {
    ...atMost,
    title: 'embedded, added at 1 connection (p50)',
    of: 'embedded',
    unit: ' ms',
    limit: 6,
    value: (summary) => chat(summary, 1)?.addedP50Ms ?? Number.NaN,
  },
  ...(['redis', 'embedded'] as const).flatMap((of): Goal[] => [
    {
      ...atMost,
      title: `${of === 'redis' ? 'on Redis' : of}, added to the first token (p50)`,
      of,
      unit: ' ms',
      limit: 5,
      value: ({ firstToken }) => firstToken.addedP50Ms,
    },
    {
      ...atMost,
      title: `${of === 'redis' ? 'on Redis' : of}, share of 200 streams that fell behind`,
      of,
      unit: ' %',
      limit: 0,
      value: ({ streams }) => streams.behindShare * 100,
    },
  ]),
  {
    ...atMost,
    title: 'embedded, memory under load',
    of: 'embedded',
    unit: ' MB',
    limit: 450,
    value: (summary) => peakMb(summary, 'up'),
  },
  {
    ...atMost,
    title: 'api process on Redis, memory under load',
    of: 'fleet',
    unit: ' MB',
    limit: 200,
    value: (summary) => peakMb(summary, 'api'),
  },
];

/** What Citadel wants to reach, and whether this run did. A subject with any fault meets nothing. */
export function checkGoals(summaries: readonly SubjectSummary[]): GoalResult[] {
  return GOALS.map(({ title, of, unit, limit, isAtLeast, value: read }) => {
    const summary = summaries.find(({ id }) => id === of);
    const value = summary ? read(summary) : Number.NaN;
    const base = { title, value, limit, unit, isAtLeast };
    if (!summary || Number.isNaN(value)) return { ...base, isMet: null };
    const isReached = isAtLeast ? value >= limit : value <= limit;
    return { ...base, isMet: isReached && !hasFaults(summary) };
  });
}

/** Whether any answer of the subject was wrong or missing. */
export function hasFaults({ chat: loops, firstToken, streams }: SubjectSummary): boolean {
  return [...loops, firstToken, streams].some(({ faults }) => countFaults(faults) > 0);
}
