import type { Config } from '../core/config.ts';
import { UsageError } from './command.ts';

/** `config`, which must name a Redis: without one, processes cannot share jobs and answers. Throws UsageError. */
export function requireRedis(command: string, config: Config): Config {
  if (config.redisUrl !== undefined) return config;
  throw new UsageError(
    `citadel ${command} shares its jobs with other processes over Redis: set REDIS_URL (redis://host:6379).\nFor one process with everything in it, use citadel up (npm start).`,
  );
}
