const SECONDS_MAX = 3_600;

/** Seconds that a `Retry-After` header asks for (a number or an HTTP date), 0 to 3600; undefined when unreadable. */
export function parseRetryAfter(header: string | string[] | undefined, now: Date): number | undefined {
  const text = (Array.isArray(header) ? header[0] : header)?.trim();
  if (text === undefined || text === '') return undefined;

  const seconds = /^\d+(\.\d+)?$/.test(text) ? Number(text) : (Date.parse(text) - now.getTime()) / 1_000;
  if (Number.isNaN(seconds)) return undefined;
  return Math.min(SECONDS_MAX, Math.max(0, Math.ceil(seconds)));
}
