import type { Json } from '../sdk/records.ts';
import { demoText } from '../servers/demo/demo-text.ts';
import type { Place, RandomStep } from './random-step.ts';
import { type Env, randomCondition, randomTerm, type Term, template } from './terms.ts';

/** A model whose answers take their time, so that there is something to interrupt. */
export const CHAOS_MODEL = 'sim:first=60+token=4';
export const CHILD_NAME = 'chaos-child';
/** Of every workflow; a transform without a condition. */
export const FIRST_ID = 's1';

const outputTerm = (id: string): Term => ({
  cel: `steps.${id}.output`,
  of: ({ outputs }) => outputs[id] as number,
});

export function transformStep({ random, newId, terms }: Place): RandomStep {
  const id = newId();
  const value = randomTerm(random, terms);
  return {
    json: { id, type: 'transform', value: template(value.cel) },
    perform: (env) => value.of(env),
    term: outputTerm(id),
  };
}

/** Skipped or not: who reads it takes something else where it was. */
export function conditionalStep(place: Place): RandomStep {
  const { random, terms } = place;
  const step = transformStep(place);
  const condition = randomCondition(random, terms);
  const instead = outputTerm(FIRST_ID);
  const { cel } = step.term;
  return {
    json: { ...step.json, when: condition.cel },
    perform: (env) => (condition.of(env) ? step.perform(env) : null),
    term: {
      // Of a step that is never skipped, too: one that waits for skipped ones alone would be skipped.
      cel: `(${cel} == null ? ${instead.cel} : ${cel} + 0 * ${instead.cel})`,
      of: (env) => (env.outputs[step.json.id] as number | null) ?? instead.of(env),
    },
  };
}

export function chatStep(place: Place): RandomStep {
  const { random, newId, terms } = place;
  const id = newId();
  const asked = askedBy(place, id, randomTerm(random, terms));
  return {
    json: {
      id,
      type: 'chat',
      model: CHAOS_MODEL,
      messages: [{ role: 'user', content: asked.template }],
      ...retryOf(place),
    },
    perform(env) {
      const prompt = asked.of(env);
      env.record.prompts.push(prompt);
      return { text: demoText(prompt) };
    },
    term: {
      cel: `size(steps.${id}.output.text)`,
      of: ({ outputs }) => (outputs[id] as { text: string }).text.length,
    },
  };
}

/** The receiver doubles a number. */
export function httpStep(place: Place): RandomStep {
  const { random, newId, terms, receiverUrl } = place;
  const id = newId();
  const number = randomTerm(random, terms);
  const asked = askedBy(place, id, number);
  return {
    json: {
      id,
      type: 'http',
      method: 'POST',
      url: receiverUrl,
      body: { effect: asked.template, n: template(number.cel) },
      ...retryOf(place),
    },
    perform(env) {
      env.record.effects.push(asked.of(env));
      return { body: { doubled: number.of(env) * 2 } };
    },
    term: {
      cel: `steps.${id}.output.body.doubled`,
      of: ({ outputs }) => (outputs[id] as { body: { doubled: number } }).body.doubled,
    },
  };
}

export function sleepStep({ random, newId, terms }: Place): RandomStep {
  const json = { id: newId(), type: 'sleep', for: `${random.integer(100, 2_000)}ms` };
  return { json, perform: () => null, term: random.pick(terms) };
}

export function emitStep({ random, newId, terms }: Place): RandomStep {
  const term = random.pick(terms);
  const json = { id: newId(), type: 'emit', event: 'noted', data: { n: template(term.cel) } };
  return { json, perform: () => null, term };
}

/** A run of its own, of a stored workflow that asks a model and doubles a number. */
export function childStep(place: Place): RandomStep {
  const { random, newId, terms } = place;
  const id = newId();
  const number = randomTerm(random, terms);
  const asked = askedBy(place, id, number);
  return {
    json: {
      id,
      type: 'workflow',
      workflow: CHILD_NAME,
      input: { n: template(number.cel), prompt: asked.template },
    },
    perform(env) {
      env.record.prompts.push(asked.of(env));
      return { n: number.of(env) * 2, text: demoText(asked.of(env)) };
    },
    term: { cel: `steps.${id}.output.n`, of: ({ outputs }) => (outputs[id] as { n: number }).n },
  };
}

export const CHILD_DEFINITION = {
  name: CHILD_NAME,
  steps: [
    {
      id: 'ask',
      type: 'chat',
      model: CHAOS_MODEL,
      messages: [{ role: 'user', content: template('input.prompt') }],
    },
    { id: 'nap', type: 'sleep', for: '150ms', after: ['ask'] },
    { id: 'double', type: 'transform', value: template('input.n * 2'), after: ['nap'] },
  ],
  output: { n: template('steps.double.output'), text: template('steps.ask.output.text') },
};

/** An approval's name is its step's, so that it stands at the top only. */
export function approveStep(place: Place): RandomStep & { signal: { name: string; payload: Json } } {
  const id = place.newId();
  const payload = { n: place.random.integer(1, 500) };
  return {
    json: { id, type: 'approve' },
    perform: () => payload,
    term: { cel: `steps.${id}.output.n`, of: () => payload.n },
    signal: { name: id, payload },
  };
}

/** A text that no other call of the whole trial has. */
function askedBy({ repetitions }: Place, id: string, number: Term) {
  const marks = repetitions.map(({ cel }) => `.${template(cel)}`).join('');
  return {
    template: `${template('input.tag')} ${id}${marks} ${template(number.cel)}`,
    of: (env: Env) => {
      const text = repetitions.map((term) => `.${term.of(env)}`).join('');
      return `${env.tag} ${id}${text} ${number.of(env)}`;
    },
  };
}

/** Half of them have no second try of their own: no fault of ours may fail them. */
function retryOf({ random }: Place): object {
  return random.chance(0.5) ? { retry: { max: 2, delay: '200ms' } } : {};
}
