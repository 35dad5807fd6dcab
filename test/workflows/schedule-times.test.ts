import { describe, expect, test } from '@jest/globals';
import { nextTime, requireCron } from '../../workflows/schedule-times.ts';

const BERLIN = 'Europe/Berlin';
const MADE = new Date('2026-01-01T00:00:00Z');

/** The next `count` times of a cron expression in Berlin, in UTC. */
function times(cron: string, after: string, count: number): string[] {
  const found: string[] = [];
  for (let at: Date | null = new Date(after); at && found.length < count; ) {
    at = nextTime({ cron, timeZone: BERLIN }, MADE, at);
    if (at) found.push(at.toISOString());
  }
  return found;
}

describe('a cron time', () => {
  test('is one of the zone’s clock, in summer and in winter', () => {
    expect(times('0 9 * * MON-FRI', '2026-10-22T12:00:00Z', 3)).toEqual([
      '2026-10-23T07:00:00.000Z',
      '2026-10-26T08:00:00.000Z',
      '2026-10-27T08:00:00.000Z',
    ]);
  });

  // On 29 March 2026 the clock goes from 02:00 to 03:00.
  test('in an hour that is skipped fires once, when the hour has been skipped', () => {
    expect(times('30 2 * * *', '2026-03-28T00:00:00Z', 3)).toEqual([
      '2026-03-28T01:30:00.000Z',
      '2026-03-29T01:00:00.000Z',
      '2026-03-30T00:30:00.000Z',
    ]);
    expect(times('*/30 * * * *', '2026-03-29T00:00:00Z', 3)).toEqual([
      '2026-03-29T00:30:00.000Z',
      '2026-03-29T01:00:00.000Z',
      '2026-03-29T01:30:00.000Z',
    ]);
  });

  // On 25 October 2026 the hour from 02:00 to 03:00 comes twice.
  test('in an hour that comes twice fires the first time, and a step in both', () => {
    expect(times('30 2 * * *', '2026-10-24T12:00:00Z', 2)).toEqual([
      '2026-10-25T00:30:00.000Z',
      '2026-10-26T01:30:00.000Z',
    ]);
    expect(times('*/30 * * * *', '2026-10-24T23:59:00Z', 5)).toEqual([
      '2026-10-25T00:00:00.000Z',
      '2026-10-25T00:30:00.000Z',
      '2026-10-25T01:00:00.000Z',
      '2026-10-25T01:30:00.000Z',
      '2026-10-25T02:00:00.000Z',
    ]);
  });

  test.each([
    ['* * * *', 'UTC', /cron/],
    ['61 * * * *', 'UTC', /cron/],
    ['every day', 'UTC', /cron/],
    ['2026-12-01T00:00:00Z', 'UTC', /cron/],
    ['0 0 1 1 * * 2030', 'UTC', /cron/],
    ['0 0 30 2 *', 'UTC', /never comes/],
    ['0 0 * * *', 'Mars/Phobos', /time_zone/],
  ])('is refused as %j in %s', (cron, zone, message) => {
    expect(() => requireCron(cron, zone, MADE)).toThrow(message);
  });

  test.each(['*/5 * * * *', '0 0 L * *', '@daily', '30 0 0 1 JAN *'])('may be %j', (cron) => {
    expect(() => requireCron(cron, BERLIN, MADE)).not.toThrow();
  });
});

test('a period counts from the making of its schedule, whatever was missed', () => {
  const next = (after: string) => nextTime({ everyMs: 2_000 }, MADE, new Date(after))?.toISOString();

  expect(next('2026-01-01T00:00:00Z')).toBe('2026-01-01T00:00:02.000Z');
  expect(next('2026-01-01T00:00:02Z')).toBe('2026-01-01T00:00:04.000Z');
  expect(next('2026-01-02T12:00:01.999Z')).toBe('2026-01-02T12:00:02.000Z');
});
