export const USAGE_GROUPS = ['model', 'key', 'tag'] as const;
export type UsageGroup = (typeof USAGE_GROUPS)[number];

interface UsageQuery {
  by: UsageGroup;
  since: Date;
  until: Date;
  /** Only this key's calls; null: those without a key; undefined: all. */
  keyName?: string | null | undefined;
}

/** Calls of one model within a group; of a call with several tags, one in each of theirs. */
export interface UsageRow {
  /** The model, key or tag; null for calls without one. */
  name: string | null;
  model: string;
  requests: number;
  failed: number;
  inputTokens: number;
  outputTokens: number;
}

/** Sums of the ledger. Throws AppError `store_unavailable`. */
export interface UsageStore {
  /** At most 10 000 rows, those of most tokens. */
  sums(query: UsageQuery): Promise<UsageRow[]>;
}
