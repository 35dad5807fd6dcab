// BullMQ ends a job and takes the next one in one script: so the end of one job carries the claim of another that has
// just been added, where both come within the same breath.
//
// I1: each claim is carried by exactly one end, or made by itself in the turn of the event loop that it came in.
// I2: an end waits for a claim for `PATIENCE_MS` and one turn, and only where one has come lately.

interface Claim {
  /** Makes it by itself. */
  make(): void;
  /** An end has carried it. */
  carried(): void;
}

export interface ClaimPairing {
  add(claim: Claim): void;
  /** Resolves when the end of a job should be sent, with the claim that it carries; null for none. */
  end(): Promise<Claim | null> | null;
  /** Lets every end go at once, from now on. */
  close(): void;
}

/** Whoever got an answer and asks again at once does so within this time. */
const PATIENCE_MS = 5;
const LATELY_MS = 20;

export function createClaimPairing(): ClaimPairing {
  let claims: Claim[] = [];
  let ends: ((claim: Claim | null) => void)[] = [];
  let lastClaimMs = Number.NEGATIVE_INFINITY;
  let isTurning = false;
  let timer: NodeJS.Timeout | undefined;
  let isOpen = true;

  return {
    add(claim) {
      lastClaimMs = performance.now();
      claims.push(claim);
      // By then the add has been written, and what follows leaves behind it in the same packet.
      if (!isTurning) setImmediate(pair);
      isTurning = true;
    },
    end() {
      if (claims.length === 0 && (!isOpen || performance.now() - lastClaimMs > LATELY_MS)) return null;
      return new Promise((resolve) => {
        ends.push(resolve);
        timer ??= setTimeout(releaseSoon, PATIENCE_MS);
      });
    },
    close() {
      isOpen = false;
      clearTimeout(timer);
      pair();
      release();
    },
  };

  function pair(): void {
    isTurning = false;
    const waiting = claims;
    claims = [];
    for (const claim of waiting) {
      const end = ends.shift();
      if (end) end(claim);
      else claim.make();
    }
  }

  // On a busy process a turn takes longer than the patience: what has come meanwhile is read first.
  function releaseSoon(): void {
    setImmediate(() => {
      timer = undefined;
      pair();
      release();
    });
  }

  function release(): void {
    const released = ends;
    ends = [];
    for (const end of released) end(null);
  }
}
