import type { Json } from '../sdk/records.ts';
import {
  type BodyMaker,
  branchStep,
  loopStep,
  mapStep,
  parallelStep,
  type RandomBody,
} from './container-steps.ts';
import {
  approveStep,
  chatStep,
  childStep,
  conditionalStep,
  emitStep,
  httpStep,
  sleepStep,
  transformStep,
} from './leaf-steps.ts';
import type { RandomSource } from './random-source.ts';
import type { Place, RandomStep } from './random-step.ts';
import type { Scenario } from './scenario.ts';
import { type Env, INPUT, literal, template } from './terms.ts';

const DEPTH_MAX = 2;
const STEPS_MAX = 7;
const BODY_STEPS_MAX = 2;
const FAILING_SHARE = 0.06;
const CANCELLED_SHARE = 0.05;
const CANCEL_MS_MAX = 3_000;

/** A random workflow of which every value is known. The same source gives the same one. */
export function createScenario(
  random: RandomSource,
  { tag, receiverUrl }: { tag: string; receiverUrl: string },
): Scenario {
  const input = { n: random.integer(1, 400), tag };
  const signals: Scenario['signals'] = [];
  const steps = makeTop(random, receiverUrl, signals);
  const env: Env = {
    tag,
    outputs: { input: input.n },
    record: { prompts: [], effects: [] },
  };
  const output = performAll(steps, env);
  const failure = random.chance(FAILING_SHARE) ? `${tag} fails on purpose` : null;
  const ids = steps.map(({ json }) => json.id);
  const failSteps = failure === null ? [] : [{ id: 'end', type: 'fail', message: failure, after: ids }];
  return {
    tag,
    definition: {
      name: `chaos-${tag}`,
      steps: [...steps.map(({ json }) => json), ...failSteps],
      output: Object.fromEntries(steps.map(({ json }) => [json.id, template(shownOf(json))])),
      ...(failure === null ? {} : { on_failure: [{ id: 'tell', type: 'emit', event: 'sorry', data: tag }] }),
    },
    input,
    expected: failure === null ? { status: 'succeeded', output } : { status: 'failed', message: failure },
    signals,
    cancelAfterMs: random.chance(CANCELLED_SHARE) ? random.integer(0, CANCEL_MS_MAX) : null,
    ...env.record,
  };
}

type StepMaker = (place: Place, makeBody: BodyMaker) => RandomStep;

const LEAVES: readonly (readonly [number, StepMaker])[] = [
  [3, transformStep],
  [4, chatStep],
  [2.5, httpStep],
  [0.7, sleepStep],
  [0.4, emitStep],
  [0.7, childStep],
];

function makeTop(random: RandomSource, receiverUrl: string, signals: Scenario['signals']): RandomStep[] {
  let ids = 0;
  const newId = () => {
    ids += 1;
    return `s${ids}`;
  };
  const approval: StepMaker = (place) => {
    const step = approveStep(place);
    signals.push(step.signal);
    return step;
  };
  const place: Place = {
    random,
    newId,
    terms: [INPUT, literal(random.integer(1, 50))],
    repetitions: [],
    depth: 0,
    holdsMap: false,
    holdsLoop: false,
    receiverUrl,
  };
  const first = transformStep(place);
  const rest = makeList({ ...place, terms: [...place.terms, first.term] }, random.integer(1, STEPS_MAX), [
    ...makersFor(place),
    [0.5, approval],
    [0.8, conditionalStep],
  ]);
  return [first, ...rest];
}

function makersFor({ depth, holdsMap, holdsLoop }: Place): (readonly [number, StepMaker])[] {
  const containers: (readonly [number, StepMaker])[] = [
    [holdsMap ? 0 : 2, mapStep],
    [holdsLoop ? 0 : 1.5, loopStep],
    [1.5, branchStep],
    [1, parallelStep],
  ];
  return depth >= DEPTH_MAX ? [...LEAVES] : [...LEAVES, ...containers];
}

/** Steps of which each may read those before it. */
function makeList(
  place: Place,
  count: number,
  makers: readonly (readonly [number, StepMaker])[],
): RandomStep[] {
  const steps: RandomStep[] = [];
  for (let made = 0; made < count; made += 1) {
    const terms = [...place.terms, ...steps.map(({ term }) => term)];
    steps.push(place.random.pickWeighted(makers)({ ...place, terms }, makeBody));
  }
  return steps;
}

function makeBody(place: Place): RandomBody {
  const steps = makeList(place, place.random.integer(0, BODY_STEPS_MAX), makersFor(place));
  const last = transformStep({ ...place, terms: [...place.terms, ...steps.map(({ term }) => term)] });
  return {
    steps: [...steps, last].map(({ json }) => json),
    perform: (env) => performAll([...steps, last], env)[last.json.id] as number,
  };
}

/** The outputs of the steps, as far as they are to be compared. */
function performAll(steps: readonly RandomStep[], env: Env): Record<string, Json> {
  const outputs: Record<string, Json> = {};
  for (const { json, perform } of steps) {
    outputs[json.id] = perform({ ...env, outputs: { ...env.outputs, ...outputs } });
  }
  return outputs;
}

/** The part of a step's output that is known. */
function shownOf({ id, type }: RandomStep['json']): string {
  if (type === 'chat') return `{"text": steps.${id}.output.text}`;
  if (type === 'http') return `{"body": steps.${id}.output.body}`;
  return `steps.${id}.output`;
}
