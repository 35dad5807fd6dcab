import type { TimelineEntry } from '../jobs/reply-bus.ts';

/** What happens to a job on its way to an answer, for those who ask for it. */
export interface JobTimeline {
  /** Whether anybody asks: an entry that nobody reads need not be made. */
  readonly isWanted: boolean;
  add(event: TimelineEntry['event'], details?: Omit<TimelineEntry, 'at_ms' | 'event'>): void;
  /** All so far; undefined where nobody asks. */
  entries(): TimelineEntry[] | undefined;
}

const UNWANTED: JobTimeline = { isWanted: false, add() {}, entries: () => undefined };

export function createJobTimeline(isWanted: boolean): JobTimeline {
  if (!isWanted) return UNWANTED;
  const entries: TimelineEntry[] = [];
  return {
    isWanted,
    add: (event, details) => void entries.push({ at_ms: Date.now(), event, ...details }),
    entries: () => [...entries],
  };
}
