/**
 * Looks every `everyMs` until `condition` holds, for `limitMs` at most: whether it came to hold. Throws `signal.reason`
 * when that aborts.
 */
export function pollUntil(
  condition: () => boolean,
  { everyMs, limitMs, signal }: { everyMs: number; limitMs: number; signal: AbortSignal },
): Promise<boolean> {
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const looking = setInterval(() => {
      if (condition()) end(() => resolve(true));
    }, everyMs);
    const limit = setTimeout(() => end(() => resolve(condition())), limitMs);
    const abort = () => end(() => reject(signal.reason));
    signal.addEventListener('abort', abort, { once: true });

    function end(settle: () => void): void {
      clearInterval(looking);
      clearTimeout(limit);
      signal.removeEventListener('abort', abort);
      settle();
    }
  });
}
