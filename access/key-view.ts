import type { ListedKey } from './key-store.ts';

/** A key as the API and the command line show it. */
export type KeyView = ReturnType<typeof toKeyView>;

export function toKeyView(key: ListedKey) {
  return {
    id: key.id,
    object: 'api_key' as const,
    name: key.name,
    role: key.role,
    prefix: key.prefix,
    requests_per_minute: key.requestsPerMinute,
    tokens_per_minute: key.tokensPerMinute,
    max_concurrency: key.maxConcurrency,
    models: key.models,
    token_budget: key.tokenBudget,
    weight: key.weight,
    expires_at: key.expiresAt?.toISOString() ?? null,
    created_at: key.createdAt.toISOString(),
    last_used_at: key.lastUsedAt?.toISOString() ?? null,
    revoked_at: key.revokedAt?.toISOString() ?? null,
  };
}
