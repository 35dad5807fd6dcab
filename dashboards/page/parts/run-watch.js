import { call, eventsOf } from '../api.js';
import { useEffect, useRef, useState } from '../vendor/preact-hooks.js';

/** @import { Delta, Run } from '../answers.ts' */

const ENDED = ['succeeded', 'failed', 'cancelled'];
/** Between two readings of a run of which news come fast; one that is large is read less often. */
const READ_EVERY_MS = 400;
const READINGS_APART = 4;
const RETRY_MS = 2_000;
const LOOK_EVERY_MS = 5_000;
/** Of what a step says, the part that is shown as it comes. */
const TEXT_CHARS_MAX = 100_000;

/** @typedef {Record<string, { about: string, from: number, text: string }>} Texts */

/**
 * A run as it goes: read anew with each of its events, and what its chats say, by step.
 * @param {string} id
 */
export function useRun(id) {
  const [run, setRun] = useState(/** @type {Run | null} */ (null));
  const [error, setError] = useState(/** @type {Error | null} */ (null));
  const [texts, setTexts] = useState(/** @type {Texts} */ ({}));
  const [turn, setTurn] = useState(0);
  const path = `/api/v1/workflows/${encodeURIComponent(id)}`;
  const isOver = useRef(false);

  useEffect(() => {
    let isGone = false;
    isOver.current = false;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    /** @type {EventSource | null} */
    let events = null;
    let waitMs = READ_EVERY_MS;
    const read = async () => {
      timer = undefined;
      try {
        const sinceMs = performance.now();
        const found = /** @type {Run} */ (await call(path));
        waitMs = Math.max(READ_EVERY_MS, READINGS_APART * (performance.now() - sinceMs));
        if (isGone) return;
        setRun(found);
        setError(null);
        isOver.current = ENDED.includes(found.status);
        if (isOver.current) events?.close();
      } catch (failure) {
        if (isGone) return;
        setError(/** @type {Error} */ (failure));
        timer = setTimeout(read, RETRY_MS);
      }
    };
    const readSoon = () => {
      timer ??= setTimeout(read, waitMs);
    };
    const connect = () =>
      watch(path, {
        onNews: readSoon,
        onDelta: (delta) => setTexts((known) => withDelta(known, delta)),
        isOver,
      });
    events = connect();
    // News may be lost on their way, and a stream that was refused does not come back by itself.
    const looking = setInterval(() => {
      if (isOver.current) return;
      if (events?.readyState === EventSource.CLOSED) events = connect();
      readSoon();
    }, LOOK_EVERY_MS);
    read();
    return () => {
      isGone = true;
      clearTimeout(timer);
      clearInterval(looking);
      events?.close();
    };
  }, [path, turn]);

  return { run, error, texts, path, reload: () => setTurn((count) => count + 1) };
}

/** Every name that a run's durable event may have. */
const EVENT_NAMES = [
  ...['started', 'paused', 'resumed', 'retried', 'succeeded', 'failed', 'cancelled'].map(
    (how) => `run.${how}`,
  ),
  ...['started', 'waiting', 'succeeded', 'failed', 'retrying', 'reset', 'skipped', 'cancelled'].map(
    (how) => `step.${how}`,
  ),
];

/**
 * @param {string} path
 * @param {{ onNews: () => void, onDelta: (delta: Delta) => void, isOver: { current: boolean } }} listeners
 */
function watch(path, { onNews, onDelta, isOver }) {
  const events = eventsOf(`${path}/events`);
  events.addEventListener('delta', ({ data }) => onDelta(JSON.parse(data)));
  for (const name of EVENT_NAMES) events.addEventListener(name, onNews);
  // The stream ends with the run; else the browser comes back by itself, and the run is read in any case.
  events.onerror = () => (isOver.current ? events.close() : onNews());
  return events;
}

/**
 * `offset` counts from the beginning of what this attempt says: what is known already is left out. Who comes late begins
 * where the others are.
 * @param {Texts} known
 * @param {Delta} delta
 * @returns {Texts}
 */
function withDelta(known, { step, attempt, part, offset, text }) {
  const about = `${attempt}/${part}`;
  const before = known[step]?.about === about ? known[step] : { about, from: offset, text: '' };
  const fresh = text.slice(Math.max(0, before.from + before.text.length - offset));
  const kept = (before.text + fresh).slice(0, TEXT_CHARS_MAX);
  return { ...known, [step]: { ...before, text: kept } };
}
