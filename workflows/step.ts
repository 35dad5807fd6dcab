import { z } from 'zod';
import type { Json } from '../core/json-value.ts';
import { Duration } from './duration.ts';

/** What a failure of a step may be, for `retry.on`. */
const FailureClass = z.enum(['transient', 'timeout', 'invalid_output', 'rate_limited']);

const Retry = z.strictObject({
  /** Further attempts after the first. */
  max: z.int().min(0).max(100),
  backoff: z.enum(['fixed', 'exponential']).default('exponential'),
  delay: Duration.default('1s'),
  max_delay: Duration.optional(),
  on: z.array(FailureClass).min(1).optional(),
});
type Retry = z.infer<typeof Retry>;

/** Any JSON value; not walked, since what reaches us has been parsed from JSON. */
export const JsonValue = z.custom<Json>((value) => value !== undefined, 'takes a JSON value');

/** What a JSON Schema may say is checked where it is compiled (json-schema.ts). */
export const JsonSchema = z.record(z.string(), JsonValue, 'takes a JSON Schema, an object');
export type JsonSchema = z.infer<typeof JsonSchema>;

/** Fields that every step may have. `Retry`'s and `Duration`'s texts have been checked. */
interface StepFields {
  id: string;
  after?: string[] | undefined;
  /** CEL that gives true or false. */
  when?: string | undefined;
  retry?: Retry | undefined;
  timeout?: string | undefined;
  output?: { schema: JsonSchema } | undefined;
  /** What undoes this step when the run fails later on. */
  compensate?: Step | undefined;
  cache?: { key?: Json | undefined; ttl: string } | undefined;
}

/** Any other chat parameter is passed on. */
interface ChatStep extends StepFields {
  type: 'chat';
  model: string;
  messages: Json[] | string;
  [parameter: string]: unknown;
}

/** The fields of a search. */
interface RetrieveStep extends StepFields {
  type: 'retrieve';
  collection: string;
  query: string;
  top_k?: number | string | undefined;
  mode?: 'auto' | 'lexical' | 'dense' | 'hybrid' | undefined;
  filter?: Json | undefined;
  min_score?: number | string | undefined;
}

interface HttpStep extends StepFields {
  type: 'http';
  method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  url: string;
  headers?: Record<string, string> | undefined;
  body?: Json | undefined;
}

interface BranchStep extends StepFields {
  type: 'branch';
  cases: { when: string; steps: Step[] }[];
  else?: Step[] | undefined;
}

interface MapStep extends StepFields {
  type: 'map';
  over: Json[] | string;
  steps: Step[];
  /** Items at work at once. */
  concurrency?: number | undefined;
  /** Items that may fail. */
  tolerate?: number | undefined;
}

interface LoopStep extends StepFields {
  type: 'loop';
  steps: Step[];
  /** CEL that gives true when no further turn is wanted. */
  until: string;
  max_iterations: number;
}

/** A job's one step: its request is the run's input. No definition has it. */
interface CallStep extends StepFields {
  type: 'call';
}

/** Either `for`, a duration, or `until`, a time. */
interface SleepStep extends StepFields {
  type: 'sleep';
  for?: string | undefined;
  until?: string | undefined;
}

export type Step =
  | ChatStep
  | (StepFields & { type: 'embed'; model: string; input: Json })
  | RetrieveStep
  | (StepFields & { type: 'ingest'; collection: string; documents: Json[] | string })
  | HttpStep
  | (StepFields & { type: 'transform'; value: Json })
  | BranchStep
  | MapStep
  | LoopStep
  | (StepFields & { type: 'parallel'; branches: Record<string, Step[]> })
  | (StepFields & { type: 'approve' })
  | (StepFields & { type: 'wait_event'; name: string })
  | SleepStep
  | (StepFields & { type: 'workflow'; workflow: string; input?: Json | undefined })
  | (StepFields & { type: 'emit'; event: string; data?: Json | undefined })
  | (StepFields & { type: 'fail'; message: string })
  | CallStep;
export type StepType = Step['type'];
/** The types that a definition may have. */
export type DefinedType = Exclude<StepType, CallStep['type']>;

const STEP_ID = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/;
const StepId = z
  .string()
  .regex(STEP_ID, 'takes a letter, then letters, digits, "_" and "-", at most 64 characters');

const Cel = z.string().min(1);
/** A text that may hold `${{ … }}`. */
const Text = z.string().min(1);
const isTemplate = (value: unknown) => typeof value === 'string' && value.includes('${{');

/** A list, or the expression that gives one. */
const list = (itemsMin: number) =>
  z.custom<Json[] | string>(
    (value) => (Array.isArray(value) && value.length >= itemsMin) || isTemplate(value),
    `takes a list${itemsMin > 0 ? ' that is not empty' : ''}, or an expression such as "\${{ input.items }}"`,
  );
const Numeric = z.union([z.number(), z.string().refine(isTemplate)], 'takes a number or an expression');

/** How many items of a map may be at work at once. */
const CONCURRENCY_MAX = 1_000;
const ITERATIONS_MAX = 1_000;
const BRANCHES_MAX = 100;

export const Step: z.ZodType<Step> = z.lazy(() => AnyStep);
/** A list of steps. */
export const Steps: z.ZodType<Step[]> = z.lazy(() => z.array(AnyStep).min(1));

const COMMON = {
  id: StepId,
  after: z.array(StepId).optional(),
  when: Cel.optional(),
  retry: Retry.optional(),
  timeout: Duration.optional(),
  output: z.strictObject({ schema: JsonSchema }).optional(),
  compensate: Step.optional(),
  cache: z.strictObject({ key: JsonValue.optional(), ttl: Duration }).optional(),
};

/** The fields of each type, beside the common ones. */
const FIELDS = {
  chat: { model: Text, messages: list(1) },
  embed: { model: Text, input: JsonValue },
  retrieve: {
    collection: Text,
    query: Text,
    top_k: Numeric.optional(),
    mode: z.enum(['auto', 'lexical', 'dense', 'hybrid']).optional(),
    filter: JsonValue.optional(),
    min_score: Numeric.optional(),
  },
  ingest: { collection: Text, documents: list(1) },
  http: {
    method: z.enum(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']),
    url: Text,
    headers: z.record(z.string(), z.string()).optional(),
    body: JsonValue.optional(),
  },
  transform: { value: JsonValue },
  branch: {
    cases: z
      .array(z.strictObject({ when: Cel, steps: Steps }))
      .min(1)
      .max(BRANCHES_MAX),
    else: Steps.optional(),
  },
  map: {
    over: list(0),
    steps: Steps,
    concurrency: z.int().min(1).max(CONCURRENCY_MAX).optional(),
    tolerate: z.int().min(0).optional(),
  },
  loop: { steps: Steps, until: Cel, max_iterations: z.int().min(1).max(ITERATIONS_MAX) },
  parallel: {
    branches: z
      .record(StepId, Steps)
      .refine((branches) => Object.keys(branches).length > 0, 'takes at least one branch')
      .refine(
        (branches) => Object.keys(branches).length <= BRANCHES_MAX,
        `takes at most ${BRANCHES_MAX} branches`,
      ),
  },
  approve: {},
  wait_event: { name: Text },
  sleep: { for: Text.optional(), until: Text.optional() },
  workflow: { workflow: Text, input: JsonValue.optional() },
  emit: { event: Text, data: JsonValue.optional() },
  fail: { message: Text },
} as const satisfies Record<DefinedType, z.core.$ZodShape>;

export const STEP_TYPES = Object.keys(FIELDS) as DefinedType[];

/** The names of the fields that a step of this type takes; a chat takes any others besides. */
export const fieldNamesOf = (type: DefinedType) => [
  ...Object.keys(COMMON),
  'type',
  ...Object.keys(FIELDS[type]),
];

const AnyStep: z.ZodType<Step> = z.discriminatedUnion('type', [
  z.looseObject({ ...COMMON, type: z.literal('chat'), ...FIELDS.chat }),
  z.strictObject({ ...COMMON, type: z.literal('embed'), ...FIELDS.embed }),
  z.strictObject({ ...COMMON, type: z.literal('retrieve'), ...FIELDS.retrieve }),
  z.strictObject({ ...COMMON, type: z.literal('ingest'), ...FIELDS.ingest }),
  z.strictObject({ ...COMMON, type: z.literal('http'), ...FIELDS.http }),
  z.strictObject({ ...COMMON, type: z.literal('transform'), ...FIELDS.transform }),
  z.strictObject({ ...COMMON, type: z.literal('branch'), ...FIELDS.branch }),
  z.strictObject({ ...COMMON, type: z.literal('map'), ...FIELDS.map }),
  z.strictObject({ ...COMMON, type: z.literal('loop'), ...FIELDS.loop }),
  z.strictObject({ ...COMMON, type: z.literal('parallel'), ...FIELDS.parallel }),
  z.strictObject({ ...COMMON, type: z.literal('approve'), ...FIELDS.approve }),
  z.strictObject({ ...COMMON, type: z.literal('wait_event'), ...FIELDS.wait_event }),
  z.strictObject({ ...COMMON, type: z.literal('sleep'), ...FIELDS.sleep }).superRefine((step, context) => {
    if ((step.for === undefined) === (step.until === undefined)) {
      context.addIssue({ code: 'custom', message: 'takes either "for" or "until"' });
    }
  }),
  z.strictObject({ ...COMMON, type: z.literal('workflow'), ...FIELDS.workflow }),
  z.strictObject({ ...COMMON, type: z.literal('emit'), ...FIELDS.emit }),
  z.strictObject({ ...COMMON, type: z.literal('fail'), ...FIELDS.fail }),
]);
