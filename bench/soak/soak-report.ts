import { percentile } from '../statistics.ts';
import { formatTable } from '../text-table.ts';
import { CALL_LIMIT_MS, type CallRecord, type Outcome } from './soak-calls.ts';
import type { FaultRecord } from './soak-faults.ts';

const OUTCOMES: readonly Outcome[] = ['right', 'refused', 'broken', 'wrong', 'hung', 'lost'];
const FAILED_SHARE_MAX = 0.001;
const isFailure = ({ outcome }: CallRecord) => outcome !== 'right';

/** A rule of the soak and what became of it. */
interface Bound {
  rule: string;
  seen: string;
  isKept: boolean;
}

export function checkBounds(calls: readonly CallRecord[], callsDue: number): Bound[] {
  const count = (outcome: Outcome) => calls.filter((call) => call.outcome === outcome).length;
  const failures = calls.filter(isFailure).length;
  const share = failures / calls.length;
  const longestMs = Math.max(...calls.map(({ tookMs }) => tookMs));
  return [
    {
      rule: 'every call was made',
      seen: `${calls.length} of ${callsDue}`,
      isKept: calls.length === callsDue,
    },
    {
      rule: `nothing waits longer than ${CALL_LIMIT_MS / 1_000} s`,
      seen: seconds(longestMs),
      isKept: count('hung') === 0,
    },
    {
      rule: 'no success that is not the whole answer',
      seen: `${count('wrong')}`,
      isKept: count('wrong') === 0,
    },
    {
      rule: `failures at most ${percent(FAILED_SHARE_MAX)}`,
      seen: `${failures} of ${calls.length}: ${percent(share)}`,
      isKept: share <= FAILED_SHARE_MAX,
    },
  ];
}

export function formatReport(
  calls: readonly CallRecord[],
  faults: readonly FaultRecord[],
  bounds: readonly Bound[],
): string {
  return [outcomeTable(calls), faultTable(calls, faults), boundTable(bounds)].join('\n\n');
}

function outcomeTable(calls: readonly CallRecord[]): string {
  const rows = [false, true].map((isStream) => {
    const own = calls.filter((call) => call.isStream === isStream);
    const times = own.map(({ tookMs }) => tookMs);
    return [
      isStream ? 'streams' : 'whole answers',
      ...OUTCOMES.map((outcome) => String(own.filter((call) => call.outcome === outcome).length)),
      String(own.filter(({ attempts }) => attempts > 1).length),
      ...[0.5, 0.99, 1].map((rank) => seconds(percentile(times, rank))),
    ];
  });
  return formatTable(['calls', ...OUTCOMES, 'moved', 'p50', 'p99', 'longest'], rows);
}

/** What went wrong from the beginning of each fault to that of the next. */
function faultTable(calls: readonly CallRecord[], faults: readonly FaultRecord[]): string {
  const rows = faults.flatMap(({ name, serverId, fromMs }, at) => {
    const untilMs = faults[at + 1]?.fromMs ?? Number.POSITIVE_INFINITY;
    const own = calls.filter(({ startedMs }) => startedMs >= fromMs && startedMs < untilMs);
    // The last one may begin while the last answers come.
    if (own.length === 0) return [];
    const failed = own.filter(isFailure);
    const reasons = Map.groupBy(failed, ({ outcome, detail }) => `${outcome} ${detail}`);
    const row = [
      `${Math.round(fromMs / 1_000)} s: ${serverId} ${name}`,
      String(own.length),
      String(own.filter(({ attempts }) => attempts > 1).length),
      String(failed.length),
      seconds(
        percentile(
          own.map(({ tookMs }) => tookMs),
          0.99,
        ),
      ),
      Array.from(reasons, ([reason, { length }]) => `${length} × ${reason}`).join(', '),
    ];
    return [row];
  });
  return formatTable(['fault', 'calls', 'moved', 'failed', 'p99', 'how'], rows);
}

function boundTable(bounds: readonly Bound[]): string {
  return formatTable(
    ['bound', 'seen', ''],
    bounds.map(({ rule, seen, isKept }) => [rule, seen, isKept ? 'kept' : 'BROKEN']),
  );
}

const seconds = (ms: number) => `${(ms / 1_000).toFixed(2)} s`;
const percent = (share: number) => `${(100 * share).toFixed(2)} %`;
