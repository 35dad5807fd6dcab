// Self-clocked fair queueing: each request gets a finish tag, and the queue runs the lowest tag first. Golestani 1994.
//
// I1: a flow (one key at one priority) that has just come stands behind at most one request of each other such flow,
//     however many those have queued.
// I2: a request is overtaken by higher priorities for a bounded amount of work only, so low is never starved.
// I3: a tag is a priority that BullMQ takes: a whole number from 1 to 2^21 - 1.
import type { Priority } from '../core/schemas/priority.ts';

export interface FairRequest {
  keyName: string | null;
  priority: Priority;
  /** Tokens that it will probably cost, in and out. */
  tokens: number;
  /** The key's share against others'. */
  weight: number;
}

export interface FairOrder {
  /** The tag of a request that joins now. */
  tagFor(request: FairRequest): number;
  /** A worker has reached this virtual time. */
  reached(virtual: number): void;
  /** Whether the tags should begin anew, once nothing waits anywhere. */
  isWorn(): boolean;
  reset(): void;
}

const TAG_MAX = 2 ** 21 - 1;
const WORN_AT = TAG_MAX / 2;
const TOKENS_PER_UNIT = 64;
/** How far each priority is ahead of or behind the others, in units: normal waits for 64 000 tokens of high at most. */
const OFFSETS = { critical: 0, high: 3_000, normal: 4_000, low: 5_000 } as const satisfies Record<
  Priority,
  number
>;
const FLOWS_MAX = 10_000;

export function createFairOrder(): FairOrder {
  let virtual = 0;
  /** The finish tag of each flow's last request. */
  const finishes = new Map<string, number>();

  return {
    tagFor({ keyName, priority, tokens, weight }) {
      const flow = `${priority} ${keyName ?? ''}`;
      const units = Math.max(1, Math.ceil(tokens / TOKENS_PER_UNIT / weight));
      const finish = Math.max(virtual, finishes.get(flow) ?? 0) + units;
      if (finishes.size >= FLOWS_MAX) forgetServed();
      finishes.set(flow, finish);
      return Math.min(1 + OFFSETS[priority] + finish, TAG_MAX);
    },
    reached(value) {
      virtual = Math.max(virtual, value);
    },
    isWorn: () => virtual > WORN_AT,
    reset() {
      virtual = 0;
      finishes.clear();
    },
  };

  // What is served is as good as unknown.
  function forgetServed(): void {
    for (const [flow, finish] of finishes) {
      if (finish <= virtual) finishes.delete(flow);
    }
    for (const flow of finishes.keys()) {
      if (finishes.size < FLOWS_MAX) return;
      finishes.delete(flow);
    }
  }
}

/** The virtual time that a worker has reached when it takes a job with this tag. */
export function virtualOf(tag: number, priority: Priority): number {
  return Math.max(0, tag - 1 - OFFSETS[priority]);
}
