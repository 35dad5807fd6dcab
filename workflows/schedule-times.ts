import { createRequire } from 'node:module';
import type { Cron } from 'croner';
import { AppError } from '../core/errors.ts';
import { loadOnce } from '../core/load-once.ts';
import type { ScheduleTiming } from './schedule-store.ts';

/**
 * The first time after `after` at which it fires; null when there is none. Cron times are those of the zone's clock. A
 * time in an hour that the zone skips fires once, when the hour has been skipped; one in an hour that comes twice fires
 * the first time only, except where minute or hour is `*` or a step: those follow each hour that passes.
 */
export function nextTime(timing: ScheduleTiming, createdAt: Date, after: Date): Date | null {
  if ('everyMs' in timing) return nextPeriod(timing.everyMs, createdAt, after);
  return parseCron(timing.cron, timing.timeZone).nextRun(after);
}

/** Throws AppError `invalid_request` for a cron expression or a time zone that is none, or that never fires. */
export function requireCron(cron: string, timeZone: string, now: Date): void {
  if (!isTimeZone(timeZone)) {
    throw new AppError('invalid_request', "'time_zone' takes a name such as Europe/Berlin, or UTC.", {
      param: 'time_zone',
    });
  }
  let next: Date | null;
  try {
    next = parseCron(cron, timeZone).nextRun(now);
  } catch (error) {
    const reason = (error as Error).message.replace(/^Cron\w+: /, '');
    throw new AppError('invalid_request', `'cron' is not a cron expression: ${reason}`, { param: 'cron' });
  }
  if (next) return;
  throw new AppError('invalid_request', "'cron' names a time that never comes.", { param: 'cron' });
}

// 1.4 MB, for those that have a schedule.
const croner = loadOnce(() => createRequire(import.meta.url)('croner') as typeof import('croner'));

function parseCron(cron: string, timeZone: string): Cron {
  // The library reads a date, too.
  if (!/^@\w+$|\s/.test(cron.trim())) throw new Error('it takes five or six fields, separated by blanks.');
  // Paused and without a function: it only counts. With a year it could end.
  const { Cron } = croner();
  return new Cron(cron, { timezone: timeZone, paused: true, mode: '5-or-6-parts' });
}

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

function nextPeriod(everyMs: number, createdAt: Date, after: Date): Date {
  const passed = Math.max(0, Math.floor((after.getTime() - createdAt.getTime()) / everyMs));
  return new Date(createdAt.getTime() + (passed + 1) * everyMs);
}
