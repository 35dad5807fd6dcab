import type { Json } from '../sdk/records.ts';
import type { RandomSource } from './random-source.ts';

/** What the expressions of a step may read, and what its run is known to have done. */
export interface Env {
  tag: string;
  /** Outputs of the steps that have ended. */
  outputs: Readonly<Record<string, Json>>;
  item?: number;
  index?: number;
  turn?: number;
  /** Of the turn before. */
  turnOutput?: number;
  record: { prompts: string[]; effects: string[] };
}

/** A whole number, twice: as CEL, and as what it must come to. */
export interface Term {
  cel: string;
  of(env: Env): number;
}

/** Everything stays below it. */
const MODULUS = 997;

export const literal = (value: number): Term => ({ cel: String(value), of: () => value });

export const INPUT: Term = { cel: 'input.n', of: ({ outputs }) => outputs.input as number };
export const ITEM: Term = { cel: 'item', of: ({ item = 0 }) => item };
export const INDEX: Term = { cel: 'index', of: ({ index = 0 }) => index };
export const TURN: Term = { cel: 'loop.index', of: ({ turn = 0 }) => turn };

/** In the first turn there is none. */
export const TURN_OUTPUT: Term = {
  cel: '(loop.index == 0 ? 0 : loop.output)',
  of: ({ turn = 0, turnOutput = 0 }) => (turn === 0 ? 0 : turnOutput),
};

/** A term of `given`, or one that is made of two. */
export function randomTerm(random: RandomSource, given: readonly Term[]): Term {
  const [a, b] = [random.pick(given), random.pick(given)];
  const factor = random.integer(2, 9);
  return random.pickWeighted<Term>([
    [1, a],
    [
      3,
      {
        cel: `(${a.cel} * ${factor} + ${b.cel}) % ${MODULUS}`,
        of: (env) => (a.of(env) * factor + b.of(env)) % MODULUS,
      },
    ],
    [
      2,
      {
        cel: `(${a.cel} > ${b.cel} ? ${a.cel} : ${b.cel} + 1)`,
        of: (env) => (a.of(env) > b.of(env) ? a.of(env) : b.of(env) + 1),
      },
    ],
  ]);
}

/** CEL that is true or false, and which of them. */
export function randomCondition(
  random: RandomSource,
  given: readonly Term[],
): { cel: string; of(env: Env): boolean } {
  const term = randomTerm(random, given);
  return { cel: `(${term.cel}) % 2 == 0`, of: (env) => term.of(env) % 2 === 0 };
}

/** `${{ … }}` */
export const template = (cel: string) => `\${{ ${cel} }}`;
