// I1: one turn makes a few statements of a bounded size, and ends after `TURN_MS`: the relay's next turn waits for it.
// I2: whatever fails is tried again at the next turn, from the store as it is then.
import type { RetentionDays, RetentionStore } from './retention-store.ts';

interface RetentionOptions {
  store: RetentionStore;
  days: RetentionDays;
  /** A clock that only goes on (ms). */
  now(): number;
}

const BATCH = { runs: 50, events: 50, ledger: 1_000, expired: 500 } as const;
const TURN_MS = 500;
/** Between two looks, where the last one found no more. */
const REST_MS = 600_000;
/** A start has other things to do. */
const FIRST_LOOK_AFTER_MS = 30_000;

/** A chore of the relay: deletes what has been kept for long enough. */
export function createRetention({ store, days, now }: RetentionOptions): () => Promise<void> {
  let dueMs = now() + FIRST_LOOK_AFTER_MS;

  return async () => {
    if (now() < dueMs) return;
    const endMs = now() + TURN_MS;
    // Before the work, so that a failure is not tried again each second.
    dueMs = now() + REST_MS;
    for (const takeBatch of kindsOf(store, days)) {
      while (await takeBatch()) {
        if (now() < endMs) continue;
        dueMs = now();
        return;
      }
    }
  };
}

/** Each tells whether there may be more. */
function kindsOf(store: RetentionStore, days: RetentionDays): (() => Promise<boolean>)[] {
  const kinds = ['runs', 'events', 'ledger'] as const;
  return [
    ...kinds
      .filter((kind) => days[kind] > 0)
      .map((kind) => async () => (await store[kind](days[kind], BATCH[kind])) >= BATCH[kind]),
    async () => (await store.expired(BATCH.expired)) >= BATCH.expired,
  ];
}
