// Takes documents in, in this process: claims those whose turn it is, and keeps its leases.
// I1: a document is worked at only under a lease, and each write names the claim: a later one makes it void.
// I2: whatever was written, a process that ends now leaves what another can go on with.

import type { Logger } from '../core/logger.ts';
import { endsWithin } from '../core/time-limit.ts';
import { type Claim, type IngestWork, keyOf } from './ingest-work.ts';

export interface IngestRunner {
  start(): void;
  /** There may be documents to take in; never throws. */
  nudge(): void;
  /** Claims nothing more, and gives back what has not ended after `graceMs`. May be called twice. */
  stop(graceMs: number): Promise<void>;
}

interface RunnerOptions {
  work: IngestWork;
  worker: string;
  /** Never rejects while the store answers. */
  takeTurn(claims: readonly Claim[], signal: AbortSignal): Promise<void>;
  /** Groups of documents at once. */
  turnsMax: number;
  logger: Logger;
}

const LOOK_EVERY_MS = 2_000;
const HEARTBEAT_MS = 5_000;
const GROUP_MAX = 64;
const LAST_WRITES_MS = 3_000;

interface Turn {
  held: Map<string, Claim>;
  stopping: AbortController;
  ended: Promise<void>;
}

export function createIngestRunner({
  work,
  worker,
  takeTurn,
  turnsMax,
  logger,
}: RunnerOptions): IngestRunner {
  const turns = new Set<Turn>();
  let looking: NodeJS.Timeout | undefined;
  let beating: NodeJS.Timeout | undefined;
  let isClaiming = false;
  let isStopped = false;

  return {
    start() {
      if (isStopped || looking) return;
      looking = setInterval(nudge, LOOK_EVERY_MS);
      beating = setInterval(heartbeat, HEARTBEAT_MS);
      nudge();
    },
    nudge,
    async stop(graceMs) {
      isStopped = true;
      clearInterval(looking);
      await endsWithin(allEnded(), graceMs);
      for (const turn of turns) turn.stopping.abort(new Error('Citadel is shutting down.'));
      await endsWithin(allEnded(), LAST_WRITES_MS);
      clearInterval(beating);
    },
  };

  function nudge(): void {
    if (isClaiming || isStopped || turns.size >= turnsMax) return;
    isClaiming = true;
    claim().then((hasFound) => {
      isClaiming = false;
      if (hasFound) nudge();
    });
  }

  async function claim(): Promise<boolean> {
    try {
      const claims = await work.claim(worker, GROUP_MAX);
      if (claims.length === 0) return false;
      begin(claims);
      return true;
    } catch (error) {
      logger.debug('documents could not be claimed', { error: error as Error });
      return false;
    }
  }

  function begin(claims: readonly Claim[]): void {
    const stopping = new AbortController();
    const held = new Map(claims.map((one) => [keyOf(one), one]));
    const turn: Turn = { held, stopping, ended: Promise.resolve() };
    turns.add(turn);
    turn.ended = takeTurn(claims, stopping.signal)
      .catch((error) => logger.warn('documents could not go on here', { error }))
      .finally(() => {
        turns.delete(turn);
        nudge();
      });
  }

  async function heartbeat(): Promise<void> {
    for (const turn of turns) {
      try {
        const kept = new Set((await work.heartbeat([...turn.held.values()])).map(keyOf));
        for (const key of turn.held.keys()) if (!kept.has(key)) turn.held.delete(key);
        // Ended, cancelled or another's: nothing is left to do.
        if (turn.held.size === 0) turn.stopping.abort(new Error('Its documents are not its own any more.'));
      } catch (error) {
        logger.debug('leases of documents could not be extended', { error: error as Error });
      }
    }
  }

  async function allEnded(): Promise<void> {
    await Promise.all([...turns].map(({ ended }) => ended));
  }
}
