/** How relevant each document is to one question; what is not named is not. */
export type Judgements = ReadonlyMap<string, number>;

/** nDCG of the first `depth` of a ranking, with the relevance itself as the gain, as trec_eval's ndcg_cut has it. */
export function ndcg(ranking: readonly string[], judged: Judgements, depth = 10): number {
  const ideal = [...judged.values()].sort((a, b) => b - a);
  const best = gainOf(ideal.slice(0, depth));
  if (best === 0) return 0;
  return gainOf(ranking.slice(0, depth).map((id) => judged.get(id) ?? 0)) / best;
}

/** The part of the relevant documents that is among the first `depth`. */
export function recall(ranking: readonly string[], judged: Judgements, depth = 100): number {
  const relevant = [...judged].filter(([, relevance]) => relevance > 0);
  if (relevant.length === 0) return 0;
  const found = new Set(ranking.slice(0, depth));
  return relevant.filter(([id]) => found.has(id)).length / relevant.length;
}

function gainOf(relevances: readonly number[]): number {
  return relevances.reduce((sum, relevance, index) => sum + Math.max(0, relevance) / Math.log2(index + 2), 0);
}
