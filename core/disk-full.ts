// Of a file system, of a quota, and Postgres's own (class 53, "insufficient resources").
const FULL = new Set(['ENOSPC', 'EDQUOT', '53100']);

/** Whether the error, or the one that caused it, says that a disk has no room left. */
export function isDiskFull(error: unknown): boolean {
  const { code, cause } = (error ?? {}) as { code?: unknown; cause?: unknown };
  return (typeof code === 'string' && FULL.has(code)) || (cause !== undefined && isDiskFull(cause));
}
