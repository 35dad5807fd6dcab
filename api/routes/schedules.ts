import type { Request, RequestHandler, Response } from 'express';
import { AppError } from '../../core/errors.ts';
import { parseJsonObject } from '../../core/json-depth.ts';
import type { Json } from '../../core/json-value.ts';
import { parseRequest } from '../../core/parse-request.ts';
import { NewSchedule } from '../../core/schemas/accepted-work.ts';
import { parseDuration } from '../../workflows/duration.ts';
import type { Schedule, ScheduleTiming } from '../../workflows/schedule-store.ts';
import type { Schedules } from '../../workflows/schedules.ts';
import { markReplayed, readIdempotency } from '../idempotency.ts';
import { parsePage, toListPage } from '../list-page.ts';
import { sendJson } from '../replies/json-reply.ts';
import { contextOf } from '../request-context.ts';
import { scopeOf } from '../run-access.ts';

export interface ScheduleRouteDeps {
  schedules: Schedules;
  jsonDepthMax: number;
}

const EVERY_MS_MIN = 1_000;

/** POST /api/v1/schedules */
export function createSchedule({ schedules, jsonDepthMax }: ScheduleRouteDeps): RequestHandler {
  return async (req, res) => {
    const { keyName, weight } = contextOf(res).principal;
    const body = parseJsonObject(req.body, { depthMax: jsonDepthMax });
    const wanted = parseRequest(NewSchedule, body);
    const { schedule, replayed } = await schedules.create({
      keyName,
      weight,
      workflow: wanted.workflow,
      input: (wanted.input ?? {}) as Json,
      timing: toTiming(wanted),
      idempotency: readIdempotency(req),
    });
    markReplayed(res, replayed);
    res.setHeader('location', `/api/v1/schedules/${schedule.id}`);
    sendJson(res, 201, JSON.stringify(toView(schedule)));
  };
}

/** GET /api/v1/schedules: newest first. */
export function listSchedules({ schedules }: ScheduleRouteDeps): RequestHandler {
  return async (req, res) => {
    const { limit, after } = parsePage(req.query);
    const keyName = scopeOf(contextOf(res).principal);
    const page = await schedules.list({ limit, after, keyName });
    const data = page.schedules.map(toView);
    sendJson(res, 200, JSON.stringify({ ...toListPage(data, limit), has_more: page.hasMore }));
  };
}

/** GET /api/v1/schedules/{id} */
export function getSchedule({ schedules }: ScheduleRouteDeps): RequestHandler {
  return async (req, res) => {
    sendJson(res, 200, JSON.stringify(toView(await requireSchedule(schedules, req, res))));
  };
}

/** DELETE /api/v1/schedules/{id}: runs that it has started go on. */
export function removeSchedule({ schedules }: ScheduleRouteDeps): RequestHandler {
  return async (req, res) => {
    const { id } = await requireSchedule(schedules, req, res);
    await schedules.remove(id);
    sendJson(res, 200, JSON.stringify({ id, object: 'schedule', deleted: true }));
  };
}

async function requireSchedule(schedules: Schedules, req: Request, res: Response): Promise<Schedule> {
  const id = String(req.params.id);
  const schedule = await schedules.get(id);
  const scope = scopeOf(contextOf(res).principal);
  if (schedule && (scope === undefined || scope === schedule.keyName)) return schedule;
  throw new AppError('not_found', `There is no schedule \`${id.slice(0, 64)}\`.`);
}

function toTiming({ cron, every, time_zone: timeZone = 'UTC' }: NewSchedule): ScheduleTiming {
  if (cron !== undefined) return { cron, timeZone };
  const everyMs = readEvery(every ?? '');
  if (everyMs >= EVERY_MS_MIN) return { everyMs };
  throw new AppError('invalid_request', '\'every\' takes at least "1s".', { param: 'every' });
}

function readEvery(text: string): number {
  try {
    return parseDuration(text);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    throw new AppError('invalid_request', error.message, { param: 'every' });
  }
}

function toView(schedule: Schedule) {
  const { timing } = schedule;
  const when =
    'cron' in timing
      ? { cron: timing.cron, time_zone: timing.timeZone }
      : { every: toDuration(timing.everyMs) };
  return {
    id: schedule.id,
    object: 'schedule',
    workflow: schedule.workflow,
    input: schedule.input,
    ...when,
    next_at: schedule.nextAt?.toISOString() ?? null,
    last_at: schedule.lastFireAt?.toISOString() ?? null,
    last_run_id: schedule.lastRunId,
    last_error: schedule.lastError,
    created_at: schedule.createdAt.toISOString(),
  };
}

const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
] as const;

function toDuration(ms: number): string {
  const [unit, size] = UNITS.find(([, candidate]) => ms % candidate === 0) ?? ['ms', 1];
  return `${ms / size}${unit}`;
}
