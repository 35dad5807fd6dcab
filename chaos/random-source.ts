import { createRandom } from '../test/support/random-json.ts';

/** Choices that the seed alone decides. */
export interface RandomSource {
  /** From `min` to `max`, both included. */
  integer(min: number, max: number): number;
  chance(share: number): boolean;
  pick<T>(list: readonly T[]): T;
  pickWeighted<T>(list: readonly (readonly [weight: number, value: T])[]): T;
  /** One of its own: what it is asked for changes nothing here. */
  fork(): RandomSource;
}

export function createRandomSource(seed: number): RandomSource {
  const random = createRandom(seed);
  const integer = (min: number, max: number) => min + Math.floor(random() * (max - min + 1));
  return {
    integer,
    chance: (share) => random() < share,
    pick<T>(list: readonly T[]) {
      if (list.length === 0) throw new RangeError('There is nothing to pick from.');
      return list[integer(0, list.length - 1)] as T;
    },
    pickWeighted<T>(list: readonly (readonly [weight: number, value: T])[]) {
      const at = random() * list.reduce((sum, [weight]) => sum + weight, 0);
      let sum = 0;
      const found = list.find(([weight]) => {
        sum += weight;
        return at < sum;
      });
      if (found === undefined) throw new RangeError('There is nothing to pick from.');
      return found[1];
    },
    fork: () => createRandomSource(integer(0, 2 ** 31)),
  };
}
