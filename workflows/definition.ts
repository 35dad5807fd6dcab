import { z } from 'zod';
import { Duration } from './duration.ts';
import { JsonSchema, JsonValue, Steps } from './step.ts';

const TAGS_MAX = 32;

/** A workflow in its normal form: what is stored, hashed and planned. */
export const WorkflowDefinition = z.strictObject({
  name: z
    .string()
    .regex(
      /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/,
      'takes letters, digits, ".", "_" and "-", at most 128 characters',
    ),
  description: z.string().max(4_096).optional(),
  /** What a run's input must be like. */
  input: JsonSchema.optional(),
  steps: Steps,
  /** What a run gives; without it, the output of the last step. */
  output: JsonValue.optional(),
  /** Run, one after the other, when the run has failed. */
  on_failure: Steps.optional(),
  deadline: Duration.optional(),
  /** Runs with the same key (a text with expressions on `input`) that may be at work at once. */
  concurrency: z.strictObject({ key: z.string().min(1), limit: z.int().min(1).max(10_000) }).optional(),
  tags: z.array(z.string().min(1).max(128)).max(TAGS_MAX).optional(),
  budget: z
    .strictObject({ tokens: z.int().min(1), on_exceed: z.enum(['pause', 'fail']).default('pause') })
    .optional(),
});
export type WorkflowDefinition = z.infer<typeof WorkflowDefinition>;

export const DEFINITION_FIELDS = Object.keys(WorkflowDefinition.shape);
