// What the page is told, by the name that it has here: the API's own answers, and what comes from /dashboard itself.
import type { z } from 'zod';
import type * as keys from '../../api/openapi/answers/key-answers.ts';
import type * as models from '../../api/openapi/answers/model-answers.ts';
import type * as rag from '../../api/openapi/answers/rag-answers.ts';
import type * as servers from '../../api/openapi/answers/server-answers.ts';
import type * as work from '../../api/openapi/answers/work-answers.ts';

export interface ListPage<T> {
  data: T[];
  has_more: boolean;
}

export type ApiKey = z.infer<typeof keys.ApiKey>;
export type IssuedApiKey = z.infer<typeof keys.IssuedApiKey>;

export type ModelList = z.infer<typeof models.ModelList>;
export type ChatChunk = {
  choices?: { delta?: { content?: string | null } }[];
  error?: { message: string };
};

export type Collection = z.infer<typeof rag.Collection>;
export type RagDocument = z.infer<typeof rag.RagDocument>;
export type IngestJob = z.infer<typeof rag.IngestJob>;
export type SearchAnswer = z.infer<typeof rag.SearchAnswer>;
export type RagHealth = z.infer<typeof rag.RagHealth>;

export type JobSummary = z.infer<typeof work.JobSummary>;
export type Job = z.infer<typeof work.Job>;
export type TimelineEntry = Job['timeline'][number];
export type RunSummary = z.infer<typeof work.RunSummary>;
export type Run = z.infer<typeof work.Run>;
export type Step = Run['steps'][number];
export type AcceptedJob = z.infer<typeof work.AcceptedJob>;
export type AcceptedRun = z.infer<typeof work.AcceptedRun>;
export type Plan = NonNullable<z.infer<typeof work.Validation>['plan']>;
export type PlannedStep = Plan['steps'][number];

/** A part of what a step's model says, as it says it. */
export interface Delta {
  step: string;
  attempt: number;
  part: number;
  offset: number;
  text: string;
}

/** What /health/enterprise answers, with who waits longest and what is loaded. */
export type Health = z.infer<typeof servers.EnterpriseHealth> & {
  oldest_wait_ms: Record<string, number>;
  /** By server, those of its models of which it is known. */
  loaded: Record<string, string[]>;
  models: number;
};
export type Server = Health['server_details'][string];

/** What ended in the last seconds, by class. */
export interface Rates {
  seconds: number;
  classes: { name: string; requests: number; failed: number; tokens: number }[];
}

/** What ended in the five seconds from `at` (unix seconds) on. */
export interface Stretch {
  at: number;
  requests: number;
  failed: number;
  tokens: number;
}

/** How the calls of a server went in the last ten minutes. */
export interface Activity {
  server: string;
  requests: number;
  failed: number;
  p50_ms: number | null;
  p99_ms: number | null;
  last_failures: { at: string; model: string; code: string | null }[];
}

/** What the overview's stream has said last. */
export interface Overview {
  isConnected: boolean;
  health: Health | null;
  rates: Rates | null;
  history: Stretch[];
  servers: Activity[];
}

export interface Session {
  signed_in: boolean;
  key_name: string | null;
}

/** Who is told of what a form's field holds. */
export type FieldEvent = Event & { currentTarget: HTMLInputElement };
export type FormEvent = SubmitEvent & { currentTarget: HTMLFormElement };
