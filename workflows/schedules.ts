// I1: a fire time becomes at most one run, however many processes look and wherever one of them dies: the run is started
//     under an idempotency key of the schedule and the time.
// I2: a key that has ended starts nothing more: its schedules stop, and say so.
// I3: times that were missed, as while every process was down, fire once.
import { AppError, toAppError } from '../core/errors.ts';
import { newScheduleId } from '../core/ids.ts';
import type { Json } from '../core/json-value.ts';
import type { Logger } from '../core/logger.ts';
import type { Definitions } from './definitions.ts';
import type { Runs } from './runs.ts';
import type {
  Schedule,
  ScheduleIdempotency,
  ScheduleQuery,
  ScheduleStore,
  ScheduleTiming,
} from './schedule-store.ts';
import { nextTime, requireCron } from './schedule-times.ts';

export interface ScheduleRequest {
  keyName: string | null;
  weight: number;
  workflow: string;
  input: Json;
  timing: ScheduleTiming;
  idempotency: ScheduleIdempotency | null;
}

/** Runs that begin by themselves. */
export interface Schedules {
  /** Throws AppError `invalid_request`, `not_found` (no such workflow), `idempotency_mismatch`. */
  create(request: ScheduleRequest): Promise<{ schedule: Schedule; replayed: boolean }>;
  get(id: string): Promise<Schedule | null>;
  list(query: ScheduleQuery): Promise<{ schedules: Schedule[]; hasMore: boolean }>;
  /** False when there was none. Runs that have begun go on. */
  remove(id: string): Promise<boolean>;
  /** Starts a run for each schedule that is due. Throws what the store threw. */
  tick(): Promise<void>;
}

interface SchedulesOptions {
  store: ScheduleStore;
  runs: Pick<Runs, 'start'>;
  definitions: Pick<Definitions, 'get'>;
  /** Why this key may start nothing any more; null while it may. Throws AppError `store_unavailable`. */
  whyEnded(keyName: string): string | null;
  logger: Logger;
}

const DUE_MAX = 50;

export function createSchedules(options: SchedulesOptions): Schedules {
  const { store, runs, definitions, whyEnded, logger } = options;
  return {
    async create({ idempotency, ...request }) {
      const now = await store.now();
      const { timing, workflow } = request;
      if ('cron' in timing) requireCron(timing.cron, timing.timeZone, now);
      if (!(await definitions.get(workflow))) {
        throw new AppError('not_found', `There is no workflow \`${workflow}\`.`, { param: 'workflow' });
      }
      const wanted = newScheduleId();
      const nextAt = nextTime(timing, now, now);
      const id = await store.insert({ ...request, id: wanted, createdAt: now, nextAt }, idempotency);
      const schedule = await store.get(id);
      if (!schedule) throw new AppError('not_found', 'The schedule that this key has made was deleted.');
      return { schedule, replayed: id !== wanted };
    },
    get: (id) => store.get(id),
    list: (query) => store.list(query),
    remove: (id) => store.remove(id),

    async tick() {
      const { schedules, now } = await store.due(DUE_MAX);
      await Promise.all(schedules.map((schedule) => fire(schedule, now)));
    },
  };

  async function fire(schedule: Schedule, now: Date): Promise<void> {
    const fireAt = schedule.nextAt;
    if (fireAt === null) return;
    const reason = schedule.keyName === null ? null : whyEnded(schedule.keyName);
    if (reason !== null) {
      // I2
      await store.fired(schedule.id, fireAt, { runId: null, error: `Stopped. ${reason}`, nextAt: null });
      return;
    }
    const nextAt = nextTime(schedule.timing, schedule.createdAt, now);
    try {
      const { run } = await runs.start({
        workflow: schedule.workflow,
        input: schedule.input,
        keyName: schedule.keyName,
        weight: schedule.weight,
        idempotency: fireKey(schedule, fireAt),
      });
      await store.fired(schedule.id, fireAt, { runId: run.id, error: null, nextAt });
    } catch (thrown) {
      const error = toAppError(thrown);
      // What may pass is tried again with the next tick, for the same time.
      if (error.code === 'store_unavailable') throw error;
      logger.warn('a schedule could not start its run', { schedule: schedule.id, error });
      await store.fired(schedule.id, fireAt, { runId: null, error: error.message, nextAt });
    }
  }
}

// Begins with a blank, which no Idempotency-Key of a request does: headers are trimmed.
function fireKey({ id }: Schedule, fireAt: Date): ScheduleIdempotency {
  return { key: ` ${id} ${fireAt.toISOString()}`, bodyHash: id };
}
