import { createHash } from 'node:crypto';

const K1 = 1.2;
const B = 0.75;

export interface SparseVector {
  indices: number[];
  values: number[];
}

/** The part of BM25 that is the document's own; the rarity of each term is Qdrant's to multiply with (its modifier `idf`). */
export function documentWeights(terms: ReadonlyMap<string, number>, averageLength: number): SparseVector {
  const norm = K1 * (1 - B + (B * lengthOf(terms)) / averageLength);
  return toVector(Array.from(terms, ([term, count]) => [term, count / (count + norm)]));
}

/** Each term of a question, as often as it stands there. */
export function queryWeights(terms: readonly string[]): SparseVector {
  return toVector(terms.map((term) => [term, 1]));
}

export function lengthOf(terms: ReadonlyMap<string, number>): number {
  let length = 0;
  for (const count of terms.values()) length += count;
  return length;
}

// Indices must be unique: of two terms with one hash (1 in 4 billion pairs), and of one term twice, the weights add up.
function toVector(weights: readonly (readonly [term: string, weight: number])[]): SparseVector {
  const sums = new Map<number, number>();
  for (const [term, weight] of weights) {
    const index = createHash('sha1').update(term).digest().readUInt32LE(0);
    sums.set(index, (sums.get(index) ?? 0) + weight);
  }
  return { indices: [...sums.keys()], values: [...sums.values()] };
}
