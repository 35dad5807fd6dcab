import { describe, expect, test } from '@jest/globals';
import { CHILD_DEFINITION } from '../../chaos/leaf-steps.ts';
import { createScenario } from '../../chaos/random-scenario.ts';
import { createRandomSource } from '../../chaos/random-source.ts';
import type { Json } from '../../core/json-value.ts';
import { demoText } from '../../servers/demo/demo-text.ts';
import { decide } from '../../workflows/decide.ts';
import { type Plan, planDefinition } from '../../workflows/plan.ts';
import { createRunModel, type RunModel } from '../../workflows/run-model.ts';
import type { EngineEvent, StepChange } from '../../workflows/run-state.ts';

const ROUNDS = 300;
const place = (at: number) => ({ tag: `t${at}`, receiverUrl: 'http://127.0.0.1:1/double' });
const scenarioOf = (seed: number) => createScenario(createRandomSource(seed), place(seed));

describe('a random scenario', () => {
  test('the same seed gives the same one', () => {
    expect(scenarioOf(7)).toEqual(scenarioOf(7));
    expect(scenarioOf(7)).not.toEqual(scenarioOf(8));
  });

  test('the engine comes to every value that is expected, with every prompt once', () => {
    const kinds = new Set<string>();
    for (let seed = 1; seed <= ROUNDS; seed += 1) {
      const scenario = scenarioOf(seed);
      const record = { prompts: [] as string[], effects: [] as string[], kinds };
      const run = perform(planOf(scenario.definition), scenario.input, { signals: scenario.signals, record });

      const { status, output, error } = run.facts;
      const came = status === 'succeeded' ? { status, output } : { status, message: error?.message ?? null };
      expect({ seed, came }).toEqual({ seed, came: scenario.expected });
      expect(record.prompts.toSorted()).toEqual(scenario.prompts.toSorted());
      expect(record.effects.toSorted()).toEqual(scenario.effects.toSorted());
      expect(new Set([...record.prompts, ...record.effects]).size).toBe(
        record.prompts.length + record.effects.length,
      );
    }
    expect([...kinds].toSorted()).toEqual(['chat', 'http', 'signal', 'time', 'workflow']);
  });
});

function planOf(definition: unknown): Plan {
  const planning = planDefinition(definition);
  if (!planning.valid) throw new Error(JSON.stringify(planning.errors));
  return planning.plan;
}

interface Surroundings {
  signals: { name: string; payload: Json }[];
  record: { prompts: string[]; effects: string[]; kinds: Set<string> };
}

/** Runs the whole of it in memory. */
function perform(plan: Plan, input: Json, around: Surroundings): RunModel {
  const run = createRunModel(plan, { id: 'run_1', input });
  const todo: EngineEvent[] = [{ type: 'start' }];
  for (let event = todo.shift(); event; event = todo.shift()) {
    const decision = decide(run, event);
    run.apply(decision);
    if (decision.steps.some(({ step }) => step.status === 'ready')) {
      todo.push({ type: 'claim', keys: null, max: 1_000 });
    }
    todo.push(...decision.steps.flatMap((change) => answer(run, change, around)));
  }
  return run;
}

function answer(run: RunModel, { step, child }: StepChange, around: Surroundings): EngineEvent[] {
  const { key, attempt, status, waits } = step;
  const { record } = around;
  if (status === 'running') {
    const fields = run.fieldsOf(key) as { messages?: Json; body?: Json };
    const isChat = 'messages' in fields;
    record.kinds.add(isChat ? 'chat' : 'http');
    const output = isChat ? chatOutput(fields, record.prompts) : httpOutput(fields, record.effects);
    return [{ type: 'attempt_succeeded', key, attempt, output, tokens: 1 }];
  }
  if (status !== 'waiting') return [];
  if (waits?.for === 'time') {
    record.kinds.add('time');
    return [{ type: 'woken', key }];
  }
  if (waits?.for === 'signal') {
    record.kinds.add('signal');
    return around.signals
      .filter(({ name }) => name === waits.name)
      .map(({ name, payload }) => ({ type: 'signal', id: `sig_${name}`, name, payload }));
  }
  if (child === undefined) return [];
  record.kinds.add('workflow');
  const { output = null } = perform(planOf(CHILD_DEFINITION), child.input, around).facts;
  return [{ type: 'child_ended', key, attempt, status: 'succeeded', output, error: null, random: 0 }];
}

function chatOutput({ messages }: { messages?: Json }, prompts: string[]): Json {
  const [{ content }] = messages as [{ content: string }];
  prompts.push(content);
  return { text: demoText(content), usage: null };
}

function httpOutput({ body }: { body?: Json }, effects: string[]): Json {
  const { effect, n } = body as { effect: string; n: number };
  effects.push(effect);
  return { status: 200, headers: {}, body: { doubled: n * 2 } };
}
