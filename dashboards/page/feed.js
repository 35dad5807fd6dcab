import { signedOut } from './api.js';
import { useEffect, useState } from './vendor/preact-hooks.js';

/** @import { Overview } from './answers.ts' */

const WAIT_MS_MAX = 10_000;
const PARTS = ['health', 'rates', 'history', 'servers'];

/** @type {Overview} */
let overview = { isConnected: true, health: null, rates: null, history: [], servers: [] };
/** @type {Set<(overview: Overview) => void>} */
const listeners = new Set();
/** @type {EventSource | null} */
let source = null;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;
let waitMs = 500;

/** Begins to listen, and comes back by itself, more slowly each time, when the connection is lost. */
export function startFeed() {
  stopFeed();
  source = new EventSource('/dashboard/api/overview');
  source.onopen = () => {
    waitMs = 500;
    set({ isConnected: true });
  };
  source.onerror = () => {
    stopFeed();
    set({ isConnected: false });
    timer = setTimeout(restart, waitMs);
    waitMs = Math.min(waitMs * 2, WAIT_MS_MAX);
  };
  for (const part of PARTS) {
    source.addEventListener(part, ({ data }) => {
      const value = JSON.parse(data);
      set({ isConnected: true, [part]: value.data ?? value });
    });
  }
}

export function stopFeed() {
  clearTimeout(timer);
  source?.close();
  source = null;
}

/** @returns {Overview} */
export function useOverview() {
  const [value, setValue] = useState(overview);
  useEffect(() => {
    setValue(overview);
    listeners.add(setValue);
    return () => void listeners.delete(setValue);
  }, []);
  return value;
}

/** @param {Partial<Overview>} changes */
function set(changes) {
  overview = { ...overview, ...changes };
  for (const listener of listeners) listener(overview);
}

/** A stream of events does not say why it was refused. */
async function restart() {
  const answer = await fetch('/dashboard/session').catch(() => null);
  if (answer?.ok && (await answer.json()).signed_in === false) {
    signedOut.dispatchEvent(new Event('signed-out'));
    return;
  }
  startFeed();
}
