import { z } from 'zod';
import { Priority } from '../../../core/schemas/priority.ts';
import { JOB_KINDS, JOB_STATUSES, RUN_STATUSES } from '../../../core/schemas/work-terms.ts';
import { AnyJson, Count, InnerError, MaybeText, MaybeTime, Time } from './shared-answers.ts';

const Times = { created_at: Time, started_at: MaybeTime, finished_at: MaybeTime, deadline_at: MaybeTime };

const JobHead = {
  id: z.string().describe('job_…'),
  object: z.literal('job'),
  kind: z.enum(JOB_KINDS),
  class: z.string().describe("the model's class, or `workflow`"),
};
const JobLinks = z.object({ self: z.string(), events: z.string(), cancel: z.string() });

export const AcceptedJob = z.object({
  ...JobHead,
  status: z.literal('queued'),
  position: Count.nullable(),
  created_at: Time,
  links: JobLinks,
});

export const JobSummary = z.object({
  ...JobHead,
  mode: z
    .enum(['accepted', 'interactive'])
    .describe('`accepted`: answered 202; `interactive`: a call whose caller waited, once it has ended'),
  model: MaybeText,
  status: z.enum(JOB_STATUSES),
  priority: Priority.nullable().describe('null of an interactive call'),
  key_name: MaybeText.describe('whose it is; null where there are no keys'),
  metadata: AnyJson,
  error: InnerError.nullable(),
  tokens: Count,
  ...Times,
  links: JobLinks.partial({ events: true, cancel: true }).describe('an interactive call has `self` alone'),
});

const TimelineEntry = z.object({
  at: Time,
  event: z.string(),
  step: z.string().optional(),
  server: z.string().optional(),
  attempt: z.int().optional(),
  reason: z.string().optional(),
  candidates: z
    .array(z.object({ server: z.string(), score: z.number().nullable(), reason: z.string() }))
    .optional(),
});

export const Job = JobSummary.extend({
  run_id: MaybeText.optional().describe('of a workflow'),
  result: AnyJson.describe('the body that the endpoint would have answered; null until it has succeeded'),
  timeline: z.array(TimelineEntry),
});

const RunLinks = z.object({
  self: z.string(),
  events: z.string(),
  result: z.string(),
  cancel: z.string(),
});
const RunHead = {
  id: z.string().describe('run_…'),
  object: z.literal('workflow.run'),
  workflow: MaybeText,
};

export const AcceptedRun = z.object({
  ...RunHead,
  status: z.literal('queued'),
  created_at: Time,
  links: RunLinks,
});

export const RunSummary = z.object({
  ...RunHead,
  definition_hash: z.string(),
  status: z.enum(RUN_STATUSES),
  priority: Priority,
  tags: z.array(z.string()),
  metadata: AnyJson,
  error: InnerError.nullable(),
  tokens: Count,
  parent_run_id: MaybeText,
  forked_from: MaybeText,
  ...Times,
  links: RunLinks,
});

const STEP_STATUSES = [
  ...['pending', 'ready', 'running', 'waiting'],
  ...['succeeded', 'failed', 'skipped', 'cancelled'],
];

const Step = z.object({
  id: z.string().describe('its place in the run, such as `each[3]/sum`'),
  status: z.enum(STEP_STATUSES),
  attempts: Count,
  started_at: MaybeTime,
  finished_at: MaybeTime,
  output: AnyJson,
  error: InnerError.nullable(),
  waiting_for: AnyJson.optional(),
  wake_at: MaybeTime.optional(),
  child_run_id: z.string().optional(),
});

export const Run = RunSummary.extend({ input: AnyJson, output: AnyJson, steps: z.array(Step) });

export const RunResult = z.object({
  id: z.string(),
  status: z.enum(RUN_STATUSES),
  output: AnyJson,
  error: InnerError.nullable(),
});

export const Timeline = z.object({ object: z.literal('list'), data: z.array(TimelineEntry) });

export const Definition = z.object({
  id: z.string().optional().describe('in lists: its name'),
  name: z.string(),
  object: z.literal('workflow.definition'),
  version: z.int().min(1),
  hash: z.string(),
  created_at: Time,
  definition: AnyJson.optional(),
});

export const DefinitionDeleted = z.object({
  name: z.string(),
  object: z.literal('workflow.definition'),
  deleted: z.literal(true),
});

export const Validation = z.object({
  valid: z.boolean(),
  errors: z.array(z.object({ path: z.string(), message: z.string() })),
  plan: z
    .object({
      steps: z.array(
        z.object({
          id: z.string(),
          path: z.string(),
          type: z.string(),
          container: MaybeText,
          after: z.array(z.string()),
        }),
      ),
      order: z.array(z.array(z.string())).describe('ids at the top, in groups that may run together'),
      calls_max: Count.nullable().describe('calls of models at most, where that is known before'),
    })
    .nullable(),
});

export const Schedule = z.object({
  id: z.string(),
  object: z.literal('schedule'),
  workflow: z.string(),
  input: AnyJson,
  cron: z.string().optional(),
  time_zone: z.string().optional(),
  every: z.string().optional(),
  next_at: MaybeTime,
  last_at: MaybeTime,
  last_run_id: MaybeText,
  last_error: MaybeText,
  created_at: Time,
});
