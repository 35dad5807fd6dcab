import type { RunId, ScheduleId } from '../core/ids.ts';
import type { Json } from '../core/json-value.ts';

/** When a schedule fires: at the times of a cron expression in a time zone, or in a period from its making on. */
export type ScheduleTiming = { cron: string; timeZone: string } | { everyMs: number };

interface NewSchedule {
  id: ScheduleId;
  /** Of the key that made it: its runs are that key's. */
  keyName: string | null;
  weight: number;
  /** A stored definition's name. */
  workflow: string;
  input: Json;
  timing: ScheduleTiming;
  createdAt: Date;
  nextAt: Date | null;
}

export interface Schedule extends NewSchedule {
  /** The time that it last fired for, and what came of it: a run, or the reason why there is none. */
  lastFireAt: Date | null;
  lastRunId: RunId | null;
  lastError: string | null;
}

export interface ScheduleQuery {
  limit: number;
  /** Those made before this one. */
  after?: string | null;
  /** Only this key's; undefined: all. */
  keyName?: string | null | undefined;
}

export interface ScheduleIdempotency {
  key: string;
  bodyHash: string;
}

/** Schedules, and when each is due by the database's clock. Throws AppError `store_unavailable`. */
export interface ScheduleStore {
  now(): Promise<Date>;
  /** The schedule's id; or that of the one which an earlier request with this idempotency key of the same API key has
   *  made within 24 h. Throws AppError `idempotency_mismatch`. */
  insert(schedule: NewSchedule, idempotency: ScheduleIdempotency | null): Promise<ScheduleId>;
  get(id: string): Promise<Schedule | null>;
  /** Newest first. */
  list(query: ScheduleQuery): Promise<{ schedules: Schedule[]; hasMore: boolean }>;
  /** False when there was none. */
  remove(id: string): Promise<boolean>;
  /** Those whose time has come, and the time it is. */
  due(max: number): Promise<{ schedules: Schedule[]; now: Date }>;
  /** It has fired for `fireAt`. Nothing happens when another process has said so before. */
  fired(
    id: ScheduleId,
    fireAt: Date,
    outcome: { runId: RunId | null; error: string | null; nextAt: Date | null },
  ): Promise<void>;
}
