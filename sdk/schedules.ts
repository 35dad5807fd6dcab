import type { Connection } from './connection.ts';
import type { Page, ScheduleRecord } from './records.ts';

type When = { cron: string; timeZone?: string } | { every: string };

/** Runs that start by the clock. */
export interface Schedules {
  create(
    schedule: { workflow: string; input?: unknown } & When,
    options?: { idempotencyKey?: string },
  ): Promise<ScheduleRecord>;
  get(id: string): Promise<ScheduleRecord>;
  list(page?: { limit?: number; after?: string }): Promise<Page<ScheduleRecord>>;
  remove(id: string): Promise<void>;
}

const PATH = '/api/v1/schedules';

export function createSchedules(connection: Connection): Schedules {
  const pathOf = (id: string) => `${PATH}/${encodeURIComponent(id)}`;
  return {
    async create({ workflow, input, ...when }, { idempotencyKey = crypto.randomUUID() } = {}) {
      const body = 'cron' in when ? { cron: when.cron, time_zone: when.timeZone } : { every: when.every };
      const answer = await connection.request<ScheduleRecord>(PATH, {
        method: 'POST',
        body: { workflow, input, ...body },
        idempotencyKey,
      });
      return answer.body;
    },
    get: async (id) => (await connection.request<ScheduleRecord>(pathOf(id))).body,
    list: async (page) => (await connection.request<Page<ScheduleRecord>>(PATH, { query: { ...page } })).body,
    async remove(id) {
      await connection.request(pathOf(id), { method: 'DELETE' });
    },
  };
}
