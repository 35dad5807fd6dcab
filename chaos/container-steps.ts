import type { Json } from '../sdk/records.ts';
import type { Place, RandomStep, StepJson } from './random-step.ts';
import {
  type Env,
  INDEX,
  ITEM,
  randomCondition,
  randomTerm,
  type Term,
  TURN,
  TURN_OUTPUT,
  template,
} from './terms.ts';

/** A list of steps that ends with one whose output is a number. */
export interface RandomBody {
  steps: StepJson[];
  perform(env: Env): number;
}

/** Makes the body of a container. */
export type BodyMaker = (place: Place) => RandomBody;

const ITEMS_MAX = 9;
const TURNS_MAX = 4;

export function mapStep(place: Place, makeBody: BodyMaker): RandomStep {
  const { random, newId, terms, repetitions, depth } = place;
  const id = newId();
  const items = Array.from({ length: random.integer(0, ITEMS_MAX) }, () => randomTerm(random, terms));
  const body = makeBody({
    ...place,
    depth: depth + 1,
    holdsMap: true,
    terms: [...terms, ITEM, INDEX],
    repetitions: [...repetitions, INDEX],
  });
  return {
    json: {
      id,
      type: 'map',
      over: items.map(({ cel }) => template(cel)),
      steps: body.steps,
      ...(random.chance(0.5) ? { concurrency: random.integer(1, 4) } : {}),
    },
    perform: (env) => items.map((item, index) => body.perform({ ...env, item: item.of(env), index })) as Json,
    term: listTerm(id),
  };
}

export function loopStep(place: Place, makeBody: BodyMaker): RandomStep {
  const { random, newId, terms, repetitions, depth } = place;
  const id = newId();
  const turnsMax = random.integer(1, TURNS_MAX);
  const enough = random.integer(100, 1_200);
  const body = makeBody({
    ...place,
    depth: depth + 1,
    holdsLoop: true,
    terms: [...terms, TURN, TURN_OUTPUT],
    repetitions: [...repetitions, TURN],
  });
  return {
    json: {
      id,
      type: 'loop',
      until: `loop.output >= ${enough}`,
      max_iterations: turnsMax,
      steps: body.steps,
    },
    perform(env) {
      let output = 0;
      for (let turn = 0; turn < turnsMax; turn += 1) {
        output = body.perform({ ...env, turn, turnOutput: output });
        if (output >= enough) break;
      }
      return output;
    },
    term: numberTerm(id),
  };
}

export function branchStep(place: Place, makeBody: BodyMaker): RandomStep {
  const { random, newId, terms, depth } = place;
  const id = newId();
  const inside = { ...place, depth: depth + 1 };
  const cases = Array.from({ length: random.integer(1, 2) }, () => ({
    condition: randomCondition(random, terms),
    body: makeBody(inside),
  }));
  const otherwise = makeBody(inside);
  return {
    json: {
      id,
      type: 'branch',
      cases: cases.map(({ condition, body }) => ({ when: condition.cel, steps: body.steps })),
      else: otherwise.steps,
    },
    perform(env) {
      const taken = cases.find(({ condition }) => condition.of(env))?.body ?? otherwise;
      return taken.perform(env);
    },
    term: numberTerm(id),
  };
}

export function parallelStep(place: Place, makeBody: BodyMaker): RandomStep {
  const id = place.newId();
  const inside = { ...place, depth: place.depth + 1 };
  const [left, right] = [makeBody(inside), makeBody(inside)];
  return {
    json: { id, type: 'parallel', branches: { left: left.steps, right: right.steps } },
    perform: (env) => ({ left: left.perform(env), right: right.perform(env) }),
    term: {
      cel: `steps.${id}.output.left`,
      of: ({ outputs }) => (outputs[id] as { left: number }).left,
    },
  };
}

const numberTerm = (id: string): Term => ({
  cel: `steps.${id}.output`,
  of: ({ outputs }) => outputs[id] as number,
});

const listTerm = (id: string): Term => ({
  cel: `size(steps.${id}.output)`,
  of: ({ outputs }) => (outputs[id] as Json[]).length,
});
