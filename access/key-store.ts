import type { KeyRole, TokenBudget } from '../core/schemas/api-key.ts';

/** What calls with a key are held to; null where they are not. */
export interface KeyLimits {
  requestsPerMinute: number | null;
  tokensPerMinute: number | null;
  maxConcurrency: number | null;
  /** The models that may be called. */
  models: readonly string[] | null;
  tokenBudget: TokenBudget | null;
}

/** What of a key may be set. */
export interface KeySettings extends KeyLimits {
  role: KeyRole;
  /** Its part beside other keys where callers wait. */
  weight: number;
  expiresAt: Date | null;
}

/** A key as it is kept: never the key itself. */
export interface KeyRecord extends KeySettings {
  /** `key_…` */
  id: string;
  /** Unique among the keys that are not revoked. */
  name: string;
  /** SHA-256 of the key, in hex. */
  digest: string;
  /** The first characters of the key, by which its owner knows it. */
  prefix: string;
  createdAt: Date;
  revokedAt: Date | null;
}

/** A key with when it last called a model; null when it never did. */
export interface ListedKey extends KeyRecord {
  lastUsedAt: Date | null;
}

/** Tokens that a key used in the days from `since` on (UTC). */
export interface TokensOfDay {
  keyName: string;
  /** `2026-11-23` */
  day: string;
  tokens: number;
}

/** The API keys. All throw AppError `store_unavailable` when the store cannot be reached. */
export interface KeyStore {
  /** A number that has changed whenever any key has. */
  revision(): Promise<number>;
  /** Every key, the revoked too. */
  all(): Promise<KeyRecord[]>;
  /** Throws `conflict` when a key of that name is there. */
  insert(key: KeyRecord): Promise<void>;
  /** Newest first; of the keys after the id `after`, at most `limit`. */
  list(page: { limit: number; after: string | null }): Promise<ListedKey[]>;
  get(id: string): Promise<ListedKey | null>;
  /** The key as it is then; null when there is none, or it is revoked. */
  change(id: string, changes: Partial<KeySettings>): Promise<ListedKey | null>;
  /** The key as it is then, revoked now or before; null when there is none. */
  revoke(id: string, at: Date): Promise<ListedKey | null>;
  /** What these keys used in each day since `since` (`2026-11-23`, UTC), as far as the ledger has it. */
  tokensUsed(keyNames: readonly string[], since: string): Promise<TokensOfDay[]>;
}
