/** What servers that hang may add to a job's time, in ms, as long as there is another to ask. */
const ADDED_MS_MAX = 15_000;
/** No server is asked for less time than this. */
const LIMIT_MS_MIN = 1_000;

interface FirstTokenWait {
  /** The limit as it is set. */
  firstTokenMs: number;
  /** How long calls of the job have failed so far. */
  failingMs: number;
  /** Whether another server could be asked after this one. */
  hasAlternative: boolean;
}

/** How long this call waits for its first token: the last server that can be asked gets the whole limit. */
export function firstTokenLimit({ firstTokenMs, failingMs, hasAlternative }: FirstTokenWait): number {
  if (failingMs === 0 || !hasAlternative) return firstTokenMs;
  const leftMs = Math.max(ADDED_MS_MAX, firstTokenMs) - failingMs;
  return Math.min(firstTokenMs, Math.max(LIMIT_MS_MIN, leftMs));
}
