import { z } from 'zod';

export const KeyRole = z.enum(['user', 'admin']);
export type KeyRole = z.infer<typeof KeyRole>;

const Count = z.int().min(1).max(1_000_000_000_000);

export const TokenBudget = z.strictObject({
  tokens: Count,
  /** Of UTC: a budget starts anew at midnight, or on the first of the month. */
  per: z.enum(['day', 'month']),
});
export type TokenBudget = z.infer<typeof TokenBudget>;

/** What a key may be held to; null where it is not. */
const LIMITS = {
  requests_per_minute: Count.nullable(),
  tokens_per_minute: Count.nullable(),
  max_concurrency: z.int().min(1).max(100_000).nullable(),
  /** The models it may call. An empty list could mean all or none, so there is none. */
  models: z
    .array(z.string().min(1).max(256))
    .min(1, 'name a model, or leave it out to allow all')
    .max(1_000)
    .nullable(),
  token_budget: TokenBudget.nullable(),
  expires_at: z.iso.datetime({ offset: true, error: 'takes a time such as 2027-01-31T12:00:00Z' }).nullable(),
};

/** Its part beside other keys where callers wait. */
const Weight = z.number().positive().max(1_000);

/** The body of POST /api/v1/keys. */
export const NewApiKey = z.strictObject({
  name: z
    .string()
    .trim()
    .min(1)
    .max(100)
    .regex(/^\P{C}*$/u, 'takes no control characters'),
  role: KeyRole.default('user'),
  requests_per_minute: LIMITS.requests_per_minute.default(null),
  tokens_per_minute: LIMITS.tokens_per_minute.default(null),
  max_concurrency: LIMITS.max_concurrency.default(null),
  models: LIMITS.models.default(null),
  token_budget: LIMITS.token_budget.default(null),
  weight: Weight.default(1),
  expires_at: LIMITS.expires_at.default(null),
});
export type NewApiKey = z.infer<typeof NewApiKey>;

/** The body of PATCH /api/v1/keys/{id}: null lifts a limit. The name stays, since ledger and budgets go by it. */
export const ApiKeyPatch = z.strictObject({ role: KeyRole, weight: Weight, ...LIMITS }).partial();
export type ApiKeyPatch = z.infer<typeof ApiKeyPatch>;
