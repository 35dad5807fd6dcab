import type { Redis } from 'ioredis';

const OLDEST_REDIS = '6.2';

/** What about this Redis would lose work or fail, each as a sentence with its cure; empty when it is right. */
export async function findRedisFaults(redis: Redis): Promise<string[]> {
  const faults: string[] = [];
  const info = await redis.info();
  const version = readInfo(info, 'redis_version');
  if (isOlder(version, OLDEST_REDIS)) {
    faults.push(`It is version ${version}; Citadel needs ${OLDEST_REDIS} or newer.`);
  }
  if (readInfo(info, 'aof_enabled') !== '1') {
    faults.push(
      'Its append-only file is off: a crash loses every queued job. Cure: redis-cli CONFIG SET appendonly yes, and "appendonly yes" in redis.conf.',
    );
  }
  const policy = readInfo(info, 'maxmemory_policy');
  if (policy !== 'noeviction') {
    faults.push(
      `Its maxmemory-policy is ${policy}: under memory pressure it would drop jobs. Cure: redis-cli CONFIG SET maxmemory-policy noeviction, and the same in redis.conf.`,
    );
  }
  return faults;
}

// INFO and not CONFIG GET: managed Redis servers often refuse the latter.
function readInfo(info: string, key: string): string {
  return new RegExp(`^${key}:(.*?)\\r?$`, 'm').exec(info)?.[1] ?? 'unknown';
}

function isOlder(version: string, oldest: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [oldestMajor = 0, oldestMinor = 0] = oldest.split('.').map(Number);
  return major < oldestMajor || (major === oldestMajor && minor < oldestMinor);
}
