import { useCallback, useEffect, useRef, useState } from './vendor/preact-hooks.js';

const WAIT_MS_MAX = 10_000;

/**
 * Reads again and again while the page is looked at: what came last, and what went wrong since. With `everyMs` null it
 * reads once. Failures make it slower.
 * @template T
 * @param {() => Promise<T>} read
 * @param {number | null} everyMs
 * @param {unknown[]} about reads anew when these change
 * @returns {{ data: T | null, error: Error | null, reload: () => void }}
 */
export function usePoll(read, everyMs, about) {
  const [state, setState] = useState(
    /** @type {{ data: T | null, error: Error | null }} */ ({ data: null, error: null }),
  );
  const [turn, setTurn] = useState(0);
  const latest = useRef({ read, everyMs });
  latest.current = { read, everyMs };

  useEffect(() => setState({ data: null, error: null }), about);
  useEffect(() => {
    let isOver = false;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    let failures = 0;
    const look = async () => {
      if (!document.hidden || failures === 0) await lookNow();
      const { everyMs: wait } = latest.current;
      if (isOver || (wait === null && failures === 0)) return;
      timer = setTimeout(look, Math.min((wait ?? 1_000) * 2 ** failures, WAIT_MS_MAX));
    };
    const lookNow = async () => {
      try {
        const data = await latest.current.read();
        failures = 0;
        if (!isOver) setState({ data, error: null });
      } catch (error) {
        failures = Math.min(failures + 1, 4);
        if (!isOver) setState(({ data }) => ({ data, error: /** @type {Error} */ (error) }));
      }
    };
    look();
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
  }, [...about, turn]);

  const reload = useCallback(() => setTurn((count) => count + 1), []);
  return { ...state, reload };
}
