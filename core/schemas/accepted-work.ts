import { z } from 'zod';
import { Priority } from './priority.ts';
import { WebhookRequest } from './webhook.ts';
import { JOB_KINDS } from './work-terms.ts';

// The bodies of the routes that answer 202.

const DAY_MS = 86_400_000;
const METADATA_CHARS_MAX = 16_384;
const NAME_CHARS_MAX = 128;

const Tags = z.array(z.string().min(1).max(128)).max(32);
const DeadlineMs = z
  .int()
  .min(1)
  .max(366 * DAY_MS);
const Metadata = z
  .record(z.string(), z.unknown())
  .refine(
    (value) => JSON.stringify(value).length <= METADATA_CHARS_MAX,
    `takes at most ${METADATA_CHARS_MAX} characters of JSON`,
  );

const WorkflowName = z.string().min(1).max(NAME_CHARS_MAX);
/** It is checked as a whole, by the plan. */
const Definition = z.record(z.string(), z.unknown());

/** The body of POST /api/v1/workflows. */
export const WorkflowStart = z
  .strictObject({
    workflow: WorkflowName.optional(),
    definition: Definition.optional(),
    input: z.unknown().optional(),
    tags: Tags.optional(),
    priority: Priority.optional(),
    deadline_ms: DeadlineMs.optional(),
    webhook: WebhookRequest.optional(),
    metadata: Metadata.optional(),
  })
  .refine(
    ({ workflow, definition }) => (workflow === undefined) !== (definition === undefined),
    "takes either 'workflow', the name of one that is stored, or 'definition'",
  );
export type WorkflowStart = z.infer<typeof WorkflowStart>;

/** The body of POST /api/v1/orchestrate. */
export const OrchestrateRequest = z.strictObject({
  kind: z.enum(JOB_KINDS),
  /** The body of the kind's endpoint, which is checked as that endpoint does. */
  request: z.record(z.string(), z.unknown()),
  priority: Priority.optional(),
  deadline_ms: DeadlineMs.optional(),
  webhook: WebhookRequest.optional(),
  metadata: Metadata.optional(),
});
export type OrchestrateRequest = z.infer<typeof OrchestrateRequest>;

/** The body of POST /api/v1/workflows/{id}/fork. */
export const WorkflowFork = z.strictObject({
  from_step: z.string().min(1).max(1_024),
  set: z
    .strictObject({
      input: z.unknown().optional(),
      steps: z.record(z.string(), z.record(z.string(), z.unknown())).optional(),
    })
    .optional(),
});
export type WorkflowFork = z.infer<typeof WorkflowFork>;

/** The body of POST /api/v1/schedules. */
export const NewSchedule = z
  .strictObject({
    workflow: WorkflowName,
    input: z.unknown().optional(),
    cron: z.string().min(1).max(256).optional(),
    /** Of `cron`; UTC unless told. */
    time_zone: z.string().min(1).max(64).optional(),
    /** A duration such as `"5m"`. */
    every: z.string().min(1).max(32).optional(),
  })
  .refine(
    ({ cron, every }) => (cron === undefined) !== (every === undefined),
    "takes either 'cron' or 'every'",
  )
  .refine(
    ({ every, time_zone }) => every === undefined || time_zone === undefined,
    "takes 'time_zone' with 'cron' only",
  );
export type NewSchedule = z.infer<typeof NewSchedule>;
