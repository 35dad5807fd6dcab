import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import type { Json } from '../../core/json-value.ts';
import { decideAll } from '../../workflows/decide.ts';
import { createRunModel } from '../../workflows/run-model.ts';
import type { Decision, EngineEvent } from '../../workflows/run-state.ts';
import { planOf } from './definitions.ts';

interface Golden {
  definition: unknown;
  input: Json;
  history: { events: EngineEvent[]; decision: Decision }[];
}

const FOLDER = new URL('golden/', import.meta.url);

// Runs that an older version has begun go on under this one: where a history here has to change, that is broken.
test.each(readdirSync(FOLDER))('the history in %s is decided as it was', (file) => {
  const { definition, input, history }: Golden = JSON.parse(readFileSync(new URL(file, FOLDER), 'utf8'));
  const run = createRunModel(planOf(definition), { id: 'run_1', input });
  for (const { events, decision } of history) {
    const decided: Decision = JSON.parse(JSON.stringify(decideAll(run, events)));
    expect(decided).toEqual(decision);
    run.apply(decided);
  }
  expect(run.facts.status).toMatch(/^(succeeded|failed|cancelled)$/);
});
