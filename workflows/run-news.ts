// Who reads a run's events hears of them at once, on whichever process the run is worked on. A message that is lost costs
// a reader a second: it reads the store by itself.
import type { InboxId, RunId } from '../core/ids.ts';
import type { BusMessage, ReplyBus } from '../jobs/reply-bus.ts';
import type { RunDelta, RunWatcher } from './runs.ts';

export interface RunNews {
  /** Returns the function that ends it. */
  watch(id: RunId, watcher: RunWatcher): () => void;
  /** The run has events up to `seq`, the last of all where it has ended. */
  tell(id: RunId, seq: number, hasEnded: boolean): void;
  /** An attempt of this process says more. */
  say(id: RunId, delta: RunDelta): void;
  /** Whether anybody listens. */
  isWatched(id: RunId): boolean;
  stop(): void;
}

interface RunNewsOptions {
  bus: ReplyBus;
  /** What this process's attempts of the run have said so far. */
  soFar(id: RunId): RunDelta[];
}

const WATCH_EVERY_MS = 10_000;
const WATCH_FOR_MS = 25_000;
const WATCHED_MAX = 100_000;

export function createRunNews({ bus, soFar }: RunNewsOptions): RunNews {
  const local = new Map<RunId, Set<RunWatcher>>();
  /** Other processes that watch, each with the time until which that holds. */
  const remote = new Map<RunId, Map<InboxId, number>>();
  const unsubscribe = bus.subscribe(receive);
  const renewing = setInterval(renew, WATCH_EVERY_MS);
  renewing.unref();

  return {
    watch(id, watcher) {
      const watchers = local.get(id) ?? new Set();
      watchers.add(watcher);
      local.set(id, watchers);
      for (const delta of soFar(id)) watcher.onDelta(delta);
      announce(id);
      return () => {
        watchers.delete(watcher);
        if (watchers.size === 0 && local.get(id) === watchers) local.delete(id);
      };
    },
    tell(id, seq, hasEnded) {
      for (const watcher of local.get(id) ?? []) watcher.onNews(seq, hasEnded);
      send(id, { kind: 'run-news', runId: id, seq, hasEnded });
    },
    say(id, delta) {
      for (const watcher of local.get(id) ?? []) watcher.onDelta(delta);
      send(id, { kind: 'run-delta', runId: id, ...delta });
    },
    isWatched: (id) => local.has(id) || remote.has(id),
    stop() {
      clearInterval(renewing);
      unsubscribe();
    },
  };

  function announce(runId: RunId): void {
    bus.broadcast({ kind: 'run-watch', runId, inbox: bus.inbox }).catch(() => {});
  }

  function renew(): void {
    for (const id of local.keys()) announce(id);
    const nowMs = performance.now();
    for (const [id, inboxes] of remote) {
      for (const [inbox, untilMs] of inboxes) if (untilMs < nowMs) inboxes.delete(inbox);
      if (inboxes.size === 0) remote.delete(id);
    }
  }

  function send(id: RunId, message: BusMessage): void {
    for (const inbox of remote.get(id)?.keys() ?? []) bus.send(inbox, message).catch(() => {});
  }

  function receive(message: BusMessage): void {
    if (message.kind === 'run-watch') welcome(message.runId, message.inbox);
    if (message.kind === 'run-news') {
      for (const watcher of local.get(message.runId) ?? []) watcher.onNews(message.seq, message.hasEnded);
    }
    if (message.kind !== 'run-delta') return;
    const { kind: _, runId, ...delta } = message;
    for (const watcher of local.get(runId) ?? []) watcher.onDelta(delta);
  }

  function welcome(id: RunId, inbox: InboxId): void {
    if (inbox === bus.inbox || (!remote.has(id) && remote.size >= WATCHED_MAX)) return;
    const inboxes = remote.get(id) ?? new Map<InboxId, number>();
    const isNew = !inboxes.has(inbox);
    inboxes.set(inbox, performance.now() + WATCH_FOR_MS);
    remote.set(id, inboxes);
    if (!isNew) return;
    for (const delta of soFar(id))
      bus.send(inbox, { kind: 'run-delta', runId: id, ...delta }).catch(() => {});
  }
}
