import { readFileSync } from 'node:fs';
import { QueueKeys } from 'bullmq';
import type { Redis } from 'ioredis';
import { BULLMQ_PREFIX, JOB_NAME, JOB_OPTIONS, LOCK_MS, type ShortWay } from './bullmq-store.ts';

type TakeScript = (queue: string, ...args: (string | number)[]) => Promise<0 | 1>;
type FinishScript = (queue: string, id: string, token: string) => Promise<-1 | 0 | 1>;

const TAKE = readFileSync(new URL('redis-short-take.lua', import.meta.url), 'utf8');
const FINISH = readFileSync(new URL('redis-short-finish.lua', import.meta.url), 'utf8');

/** BullMQ's scripts make some forty calls for a job that is added, claimed and ended; these make ten. */
export function openRedisShortWay(redis: Redis, queueName: string): ShortWay {
  const queue = new QueueKeys(BULLMQ_PREFIX).toKey(queueName, '');
  const { citadelTake, citadelFinish } = redis as unknown as Record<string, unknown>;
  if (!citadelTake) redis.defineCommand('citadelTake', { numberOfKeys: 1, lua: TAKE });
  if (!citadelFinish) redis.defineCommand('citadelFinish', { numberOfKeys: 1, lua: FINISH });
  const scripts = redis as unknown as { citadelTake: TakeScript; citadelFinish: FinishScript };

  return {
    async take({ id, data, tag, addedAtMs }, token) {
      const options = JSON.stringify({ ...JOB_OPTIONS, jobId: id, priority: tag, timestamp: addedAtMs });
      const json = JSON.stringify(data);
      const args = [id, JOB_NAME, json, options, addedAtMs, tag, token, LOCK_MS];
      return (await scripts.citadelTake(queue, ...args)) === 1;
    },

    async finish(id, token) {
      const others = await scripts.citadelFinish(queue, id, token);
      return others === -1 ? null : others === 1;
    },
  };
}
