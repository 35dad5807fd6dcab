import { percentile } from '../bench/statistics.ts';
import { formatTable } from '../bench/text-table.ts';
import type { Bound, Evidence } from './audit.ts';
import { FAIL_POINT_NAMES } from './fault-plan.ts';
import type { Death } from './member.ts';

/** The trial's result as text for a terminal. */
export function formatReport(evidence: Evidence, bounds: readonly Bound[], deaths: readonly Death[]): string {
  return [
    formatTable(
      ['bound', 'seen', ''],
      bounds.map(({ rule, seen, isKept }) => [rule, seen, isKept ? 'kept' : 'BROKEN']),
    ),
    ...bounds.filter(({ examples }) => examples.length > 0).map(formatExamples),
    formatCosts(evidence),
    formatDeaths(deaths),
  ].join('\n\n');
}

function formatExamples({ rule, examples }: Bound): string {
  return [`Against "${rule}":`, ...examples.map((example) => `    ${example}`)].join('\n');
}

function formatCosts({ prompts, effects, tables }: Evidence): string {
  const calls = [...prompts.values()];
  const httpCalls = [...Map.groupBy(effects, ({ effect }) => effect).values()].map(({ length }) => length);
  const attempts = Object.entries(tables.attempts).map(([outcome, count]) => `${count} ${outcome}`);
  return [
    `Model calls: ${formatRepeats(calls)}`,
    `HTTP calls: ${formatRepeats(httpCalls)}`,
    `Attempts of steps: ${attempts.join(', ')}`,
  ].join('\n');
}

function formatRepeats(counts: readonly number[]): string {
  const all = counts.reduce((sum, count) => sum + count, 0);
  const again = all - counts.length;
  const share = all === 0 ? 0 : (100 * again) / all;
  const most = percentile(counts, 1);
  return `${all}, of which ${again} (${share.toFixed(1)} %) were made again; one at most ${most} times`;
}

function formatDeaths(deaths: readonly Death[]): string {
  const points = FAIL_POINT_NAMES.map((name) => {
    const count = deaths.filter(({ failPoint }) => failPoint === name).length;
    return `${name} ${count}`;
  });
  const crashes = deaths.filter(({ how }) => how === 'crashed');
  return [
    `Killed at named points: ${points.join(', ')}`,
    `Ended by themselves: ${crashes.length}`,
    ...crashes.slice(0, 5).map(({ name, words }) => `  ${name}: ${words}`),
  ].join('\n');
}
