// What Citadel answers, field by field as it is on the wire.

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type JsonSchema = { [keyword: string]: unknown };

export type Priority = 'low' | 'normal' | 'high' | 'critical';
export type RunStatus = 'queued' | 'running' | 'waiting' | 'paused' | 'succeeded' | 'failed' | 'cancelled';
export type StepStatus =
  | 'pending'
  | 'ready'
  | 'running'
  | 'waiting'
  | 'succeeded'
  | 'failed'
  | 'skipped'
  | 'cancelled';

export interface ErrorRecord {
  code: string | null;
  message: string;
  type?: string | null;
  param?: string | null;
}

export interface StepRecord {
  id: string;
  status: StepStatus;
  attempts: number;
  started_at: string | null;
  finished_at: string | null;
  output: Json;
  error: ErrorRecord | null;
}

export interface RunRecord {
  id: string;
  object: string;
  workflow: string;
  definition_hash: string;
  status: RunStatus;
  input: Json;
  output: Json;
  error: ErrorRecord | null;
  steps: StepRecord[];
  tags: string[];
  created_at: string;
}

/** How a run stands, or how it ended. */
export interface Outcome<Output = Json> {
  id: string;
  status: RunStatus;
  output: Output;
  error: ErrorRecord | null;
}

export interface JobRecord {
  id: string;
  object: string;
  kind: string;
  status: RunStatus;
  created_at: string;
  result?: Json;
  error?: ErrorRecord | null;
  timeline?: { at: string; event: string; server?: string; attempt?: number; reason?: string }[];
}

export interface DefinitionRecord {
  name: string;
  version: number;
  hash: string;
  definition?: Json;
}

export interface Validation {
  valid: boolean;
  errors: { path: string; message: string }[];
  plan?: Json;
}

export interface ScheduleRecord {
  id: string;
  workflow: string;
  input?: Json;
  cron?: string;
  time_zone?: string;
  every?: string;
}

export interface Page<Item> {
  data: Item[];
  first_id: string | null;
  last_id: string | null;
  has_more: boolean;
}

export interface Webhook {
  url: string;
  events?: string[];
  secret?: string;
}
