import { z } from 'zod';
import { KeyRole, TokenBudget } from '../../../core/schemas/api-key.ts';
import { MaybeTime, Time } from './shared-answers.ts';

const MaybeCount = z.int().nullable();

export const ApiKey = z.object({
  id: z.string(),
  object: z.literal('api_key'),
  name: z.string(),
  role: KeyRole,
  prefix: z.string().describe('how the key begins'),
  requests_per_minute: MaybeCount,
  tokens_per_minute: MaybeCount,
  max_concurrency: MaybeCount,
  models: z.array(z.string()).nullable(),
  token_budget: TokenBudget.nullable(),
  weight: z.number(),
  expires_at: MaybeTime,
  created_at: Time,
  last_used_at: MaybeTime,
  revoked_at: MaybeTime,
});

export const IssuedApiKey = ApiKey.extend({ key: z.string().describe('shown this once') });
