import { isDeepStrictEqual } from 'node:util';
import { type CallerReport, hasWebhook, isRight } from './caller.ts';
import type { Tables } from './tables.ts';

/** A rule of the trial and what became of it. */
export interface Bound {
  rule: string;
  seen: string;
  isKept: boolean;
  /** What has broken it, as far as it is of use. */
  examples: string[];
}

export interface Evidence {
  reports: readonly CallerReport[];
  tables: Tables;
  /** How often each prompt reached the model server. */
  prompts: ReadonlyMap<string, number>;
  effects: readonly { effect: string; idempotencyKey: string }[];
  webhooks: ReadonlyMap<string, string[]>;
  kills: number;
  /** At least as many as these must have been. */
  wanted: { runs: number; kills: number };
}

/** Joins what callers were told, what the model server and the receiver saw, and what the tables say. */
export function audit(evidence: Evidence): Bound[] {
  const { reports, tables, kills, wanted } = evidence;
  const accepted = reports.filter(({ runId }) => runId !== null).length;
  return [
    atLeast('runs', accepted, wanted.runs),
    atLeast('kills', kills, wanted.kills),
    none('callers in trouble', callersInTrouble(reports)),
    none('accepted runs lost', lostRuns(evidence)),
    none('runs stuck', stuckRuns(tables)),
    none('runs started twice', startedTwice(tables)),
    none('results recorded twice', tables.doubles),
    none('results of attempts that were over', tables.foreign),
    none('wrong ends or values', wrongEnds(reports)),
    none('callers told otherwise than the tables', toldOtherwise(evidence)),
    none('gaps in the numbers of events', [...tables.gaps, ...eventGaps(evidence)]),
    none('steps at work in runs that have ended', tables.leftovers),
    none('sleeps that ended early', tables.earlySleeps),
    none('model calls missing or unasked', strayPrompts(evidence)),
    none('http calls missing, or twice with other keys', strayEffects(evidence)),
    none('webhooks missing, or with several ids', strayWebhooks(evidence)),
  ];
}

const EXAMPLES_MAX = 5;

function none(what: string, broken: readonly string[]): Bound {
  return {
    rule: `0 ${what}`,
    seen: String(broken.length),
    isKept: broken.length === 0,
    examples: broken.slice(0, EXAMPLES_MAX),
  };
}

function atLeast(what: string, seen: number, wanted: number): Bound {
  return { rule: `at least ${wanted} ${what}`, seen: String(seen), isKept: seen >= wanted, examples: [] };
}

function callersInTrouble(reports: readonly CallerReport[]): string[] {
  return reports.flatMap(({ scenario, runId, trouble }) =>
    trouble === null ? [] : [`${scenario.tag} ${runId ?? ''}: ${trouble}`],
  );
}

function lostRuns({ reports, tables }: Evidence): string[] {
  const ids = new Set(tables.runs.map(({ id }) => id));
  return reports.flatMap(({ runId }) => (runId === null || ids.has(runId) ? [] : [runId]));
}

function stuckRuns({ runs }: Tables): string[] {
  return runs
    .filter(({ status }) => !['succeeded', 'failed', 'cancelled'].includes(status))
    .map(({ id, tag, status }) => `${id} ${tag ?? ''} is ${status}`);
}

function startedTwice({ runs }: Tables): string[] {
  const own = runs.filter(({ isChild, tag }) => !isChild && tag !== null);
  return [...Map.groupBy(own, ({ tag }) => tag).entries()]
    .filter(([, same]) => same.length > 1)
    .map(([tag, same]) => `${tag}: ${same.map(({ id }) => id).join(', ')}`);
}

function wrongEnds(reports: readonly CallerReport[]): string[] {
  return reports.flatMap(({ scenario, runId, outcome }) => {
    if (outcome === null || isRight(scenario, outcome)) return [];
    const { status, output, error } = outcome;
    const came = JSON.stringify({ status, output, error });
    return [`${scenario.tag} ${runId}: ${came}\n      and not ${JSON.stringify(scenario.expected)}`];
  });
}

function toldOtherwise({ reports, tables }: Evidence): string[] {
  const rows = new Map(tables.runs.map((row) => [row.id, row]));
  return reports.flatMap(({ runId, outcome }) => {
    const row = rows.get(runId ?? '');
    if (outcome === null || row === undefined) return [];
    const isSame = row.status === outcome.status && isDeepStrictEqual(row.output, outcome.output);
    return isSame ? [] : [`${runId}: told ${outcome.status}, is ${row.status}`];
  });
}

/** What a reader of events saw must be every number, once, in order. */
function eventGaps({ reports, tables }: Evidence): string[] {
  const lastSeqs = new Map(tables.runs.map(({ id, lastSeq }) => [id, lastSeq]));
  return reports.flatMap(({ runId, eventIds, outcome }) => {
    if (runId === null || eventIds === null || outcome === null) return [];
    const isWhole = eventIds.every((id, at) => id === at + 1) && eventIds.length === lastSeqs.get(runId);
    return isWhole ? [] : [`${runId}: read ${eventIds.join(' ')} of ${lastSeqs.get(runId)}`];
  });
}

function strayPrompts({ reports, prompts }: Evidence): string[] {
  const expected = new Set(reports.flatMap(({ scenario }) => scenario.prompts));
  const missing = succeeded(reports).flatMap(({ scenario }) =>
    scenario.prompts.filter((prompt) => !prompts.has(prompt)).map((prompt) => `missing: ${prompt}`),
  );
  const unasked = [...prompts.keys()].filter((prompt) => !expected.has(prompt));
  return [...missing, ...unasked.map((prompt) => `unasked: ${prompt}`)];
}

function strayEffects({ reports, effects }: Evidence): string[] {
  const keys = Map.groupBy(effects, ({ effect }) => effect);
  const missing = succeeded(reports).flatMap(({ scenario }) =>
    scenario.effects.filter((effect) => !keys.has(effect)).map((effect) => `missing: ${effect}`),
  );
  const changing = [...keys.entries()]
    .filter(([, calls]) => new Set(calls.map(({ idempotencyKey }) => idempotencyKey)).size > 1)
    .map(([effect]) => `several keys: ${effect}`);
  return [...missing, ...changing];
}

function strayWebhooks({ reports, webhooks }: Evidence): string[] {
  return reports.flatMap(({ runId, outcome }, at) => {
    if (!hasWebhook(at) || runId === null || outcome === null) return [];
    const ids = new Set(webhooks.get(runId));
    return ids.size === 1 ? [] : [`${runId}: ${ids.size} webhooks`];
  });
}

/** Those of which everything that was planned has happened. */
function succeeded(reports: readonly CallerReport[]): readonly CallerReport[] {
  return reports.filter(({ outcome }) => outcome?.status === 'succeeded');
}
