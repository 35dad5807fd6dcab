// I1: a server has at most one check at a time.
// I2: a healthy server is checked within `intervalMs` of its last check, each at a time of its own, so that many are not
//     asked at once; one that is suspicious, `suspiciousIntervalMs` after its last check and not before.
// I3: a server that was never checked, or was registered anew, is due at once.
import type { KnownServer } from './registry.ts';
import { isSuspicious } from './server-health.ts';

/** When each server is to be checked. Times are of a monotonic clock, in ms. */
export interface CheckSchedule {
  /** When the next check is due; Infinity when none will be. */
  nextMs(servers: readonly KnownServer[]): number;
  /** The ids of those that are due now. */
  takeDue(servers: readonly KnownServer[]): string[];
  /** Runs a server's check, unless one is under way. Never rejects. */
  run(id: string, check: (id: string) => Promise<void>): Promise<void>;
  /** Resolves when no check is under way. */
  idle(): Promise<void>;
}

interface CheckScheduleOptions {
  intervalMs: number;
  suspiciousIntervalMs: number;
  now: () => number;
  random: () => number;
}

interface Record {
  server: KnownServer;
  startedMs: number;
  /** The share of the interval after which it is checked. */
  share: number;
}

const SHARE_MIN = 0.75;

export function createCheckSchedule(options: CheckScheduleOptions): CheckSchedule {
  const { intervalMs, now, random } = options;
  const suspiciousMs = Math.min(options.suspiciousIntervalMs, intervalMs);
  const records = new Map<string, Record>();
  const running = new Map<string, Promise<void>>();

  return {
    nextMs: (servers) => Math.min(...servers.map(dueMs)),

    takeDue(servers) {
      const nowMs = now();
      const due = servers.filter((server) => dueMs(server) <= nowMs);
      for (const server of due) {
        const share = SHARE_MIN + (1 - SHARE_MIN) * random();
        records.set(server.address.id, { server, startedMs: nowMs, share });
      }
      if (records.size > servers.length) forgetRemoved(servers);
      return due.map(({ address }) => address.id);
    },

    run(id, check) {
      const known = running.get(id);
      if (known) return known;
      const run = check(id)
        .catch(() => {})
        .finally(() => running.delete(id));
      running.set(id, run);
      return run;
    },

    async idle() {
      await Promise.all(running.values());
    },
  };

  function dueMs(server: KnownServer): number {
    const { id } = server.address;
    if (running.has(id)) return Number.POSITIVE_INFINITY;
    const record = records.get(id);
    if (record?.server !== server) return Number.NEGATIVE_INFINITY;
    return record.startedMs + (isSuspicious(server.health) ? suspiciousMs : intervalMs * record.share);
  }

  function forgetRemoved(servers: readonly KnownServer[]): void {
    const ids = new Set(servers.map(({ address }) => address.id));
    for (const id of records.keys()) if (!ids.has(id)) records.delete(id);
  }
}
