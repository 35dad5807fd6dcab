import { readFileSync } from 'node:fs';
import { QueueKeys } from 'bullmq';
import type { Redis } from 'ioredis';
import { BULLMQ_PREFIX, JOB_NAME, LOCK_MS, optionsOf, type ShortWay } from './bullmq-store.ts';

type TakeScript = (queue: string, ...args: (string | number)[]) => Promise<0 | 1>;
type FinishScript = (queue: string, ...idsAndTokens: string[]) => Promise<(-1 | 0 | 1)[]>;

/** A job that is done, and told as soon as an end is sent. */
interface End {
  id: string;
  token: string;
  settle(others: boolean | null | Promise<never>): void;
}

const TAKE = readFileSync(new URL('redis-short-take.lua', import.meta.url), 'utf8');
const FINISH = readFileSync(new URL('redis-short-finish.lua', import.meta.url), 'utf8');
/** Nobody waits for an end: it leaves behind the next job that comes, or after so long. */
const END_AFTER_MS = 2;
const ENDS_MAX = 64;

/** BullMQ's scripts make some forty calls for a job that is added, claimed and ended; these make ten. */
export function openRedisShortWay(redis: Redis, queueName: string): ShortWay {
  const queue = new QueueKeys(BULLMQ_PREFIX).toKey(queueName, '');
  const scripts = defineScripts(redis);
  let ends: End[] = [];
  let timer: NodeJS.Timeout | undefined;

  return {
    async take(job, token) {
      const { id, data, tag, addedAtMs } = job;
      const options = JSON.stringify(optionsOf(job));
      const json = JSON.stringify(data);
      const args = [id, JOB_NAME, json, options, addedAtMs, tag, token, LOCK_MS];
      const taken = scripts.citadelTake(queue, ...args);
      // In the time that Redis takes for this one.
      if (ends.length > 0) setImmediate(sendEnds);
      return (await taken) === 1;
    },

    finish: (id, token) =>
      new Promise((settle) => {
        ends.push({ id, token, settle });
        if (ends.length === ENDS_MAX) sendEnds();
        else timer ??= setTimeout(sendEnds, END_AFTER_MS);
      }),
  };

  async function sendEnds(): Promise<void> {
    clearTimeout(timer);
    timer = undefined;
    if (ends.length === 0) return;
    const sent = ends;
    ends = [];
    try {
      const others = await scripts.citadelFinish(queue, ...sent.flatMap(({ id, token }) => [id, token]));
      sent.forEach(({ settle }, at) => {
        settle(others[at] === -1 ? null : others[at] === 1);
      });
    } catch (error) {
      for (const { settle } of sent) settle(Promise.reject(error));
    }
  }
}

function defineScripts(redis: Redis) {
  const scripts = redis as unknown as { citadelTake?: TakeScript; citadelFinish?: FinishScript };
  if (!scripts.citadelTake) redis.defineCommand('citadelTake', { numberOfKeys: 1, lua: TAKE });
  if (!scripts.citadelFinish) redis.defineCommand('citadelFinish', { numberOfKeys: 1, lua: FINISH });
  return scripts as Required<typeof scripts>;
}
