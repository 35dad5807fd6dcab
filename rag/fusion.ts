import type { Hit } from './vector-store.ts';

/** Of Cormack et al. (2009): how little the first ranks outweigh the next. */
export const RANK_CONSTANT = 60;

/** Reciprocal rank fusion: an id's score is the sum over the lists of weight / (60 + rank), rank from 1. Best first. */
export function fuseRanks(lists: readonly { hits: readonly Hit[]; weight: number }[]): Hit[] {
  const scores = new Map<string, number>();
  for (const { hits, weight } of lists) {
    for (const [index, { id }] of hits.entries()) {
      scores.set(id, (scores.get(id) ?? 0) + weight / (RANK_CONSTANT + index + 1));
    }
  }
  return Array.from(scores, ([id, score]) => ({ id, score })).sort(
    (a, b) => b.score - a.score || (a.id < b.id ? -1 : 1),
  );
}
