// A ring is heard once: whoever hears one must claim (I2 of bullmq-consumer).
import { setTimeout as pause } from 'node:timers/promises';
import type { Doorbell } from './bullmq-store.ts';

/** What a listener needs of its consumer. */
export interface ListenerHost {
  hasRoom(): boolean;
  isOpen(): boolean;
  /** Claims for our own adds are on their way. */
  isExpecting(): boolean;
  /** Keeps a place for the job that the ring tells of; `giveBack` frees it. */
  reserve(): void;
  giveBack(): void;
  wake(): void;
  wakeIn(ms: number): void;
  report(error: unknown): void;
}

/** Waits for the jobs of other processes. */
export interface DoorbellListener {
  /** Begins to wait, once there is room for a job and none of our own comes; does nothing while it waits. */
  listen(): void;
  /** This process has just added a job. */
  tellOwnAdd(): void;
  close(): void;
}

/** While this process adds jobs, each is claimed with its add: it listens for others' only when none came for so long, */
const QUIET_MS = 5;
/** or when it has not listened for so long. */
const UNHEARD_MS_MAX = 50;
const STORE_RETRY_MS = 500;

export function createDoorbellListener(doorbell: Doorbell, host: ListenerHost): DoorbellListener {
  let listening = false;
  let timer: NodeJS.Timeout | undefined;
  let lastOwnMs = 0;
  let lastHeardMs = 0;

  return {
    listen,
    tellOwnAdd() {
      lastOwnMs = Date.now();
    },
    close() {
      clearTimeout(timer);
      doorbell.close();
    },
  };

  function listen(): void {
    if (listening || timer || !host.hasRoom()) return;
    const restMs = Math.min(lastOwnMs + QUIET_MS, lastHeardMs + UNHEARD_MS_MAX) - Date.now();
    if (restMs > 0) {
      timer = setTimeout(() => {
        timer = undefined;
        listen();
      }, restMs);
      return;
    }
    listening = true;
    host.reserve();
    hear().finally(() => {
      listening = false;
      listen();
    });
  }

  async function hear(): Promise<void> {
    let dueMs: number | null = null;
    try {
      dueMs = await doorbell.ring();
      // Our own add rings as well, and its claim is on the way: the answers go first.
      if (host.isExpecting()) await pause(QUIET_MS);
    } catch (error) {
      host.report(error);
    }
    lastHeardMs = Date.now();
    host.giveBack();
    if (dueMs === null) {
      if (host.isOpen()) await pause(STORE_RETRY_MS);
    } else if (dueMs > lastHeardMs) {
      host.wakeIn(dueMs - lastHeardMs);
    } else {
      host.wake();
    }
  }
}
