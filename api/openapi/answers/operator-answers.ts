import { z } from 'zod';
import { ModelClass } from '../../../core/schemas/model-class.ts';
import { USAGE_GROUPS } from '../../../jobs/usage-store.ts';
import { Count, MaybeText, Time } from './shared-answers.ts';

export const PausedQueue = z.object({ object: z.literal('queue'), class: ModelClass, paused: z.boolean() });

const Reloaded = z.object({
  changed: z.array(z.string()).describe('settings that hold from now on'),
  needs_restart: z.array(z.string()).describe('settings that have changed, and hold after a restart'),
});

const ProcessReloaded = Reloaded.extend({
  host: z.string(),
  pid: z.int(),
  roles: z.array(z.string()).describe('`api`, model classes, `workflow`'),
  problem: MaybeText.describe('why nothing was changed there; null where it was read'),
});

export const ConfigReload = Reloaded.extend({
  object: z.literal('config.reload'),
  others: z.array(ProcessReloaded).describe('the other processes that have answered within a second'),
});

const UsageSum = z.object({
  requests: Count,
  failed_requests: Count,
  input_tokens: Count,
  output_tokens: Count,
  cost: z.number().describe('by the `prices` of citadel.yaml, in whatever currency these count'),
  unpriced_tokens: Count.describe('tokens of models without a price'),
});

export const Usage = z.object({
  object: z.literal('usage'),
  by: z.enum(USAGE_GROUPS),
  since: Time,
  until: Time,
  data: z.array(UsageSum.extend({ model: MaybeText, key: MaybeText, tag: MaybeText }).partial()),
  total: UsageSum,
});
