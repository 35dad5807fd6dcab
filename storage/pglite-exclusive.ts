import type { SessionStatus, WireResult } from './pglite-messages.ts';
import type { PgliteSession } from './pglite-session.ts';
import type { TurnOptions, Turnstile } from './turnstile.ts';

const STATEMENT_LIMIT_MS = 30_000;

/** The session to itself: what a transaction needs where everyone shares one. */
export interface Exclusive {
  run(text: string, params?: readonly unknown[]): Promise<WireResult>;
  /** Rejects when the time is up; everything is rolled back then. Never resolves. */
  readonly expired: Promise<never>;
  /** Rolls back what was not committed and lets the others in. Harmless when called again. */
  end(): void;
}

export interface ExclusiveDeps {
  session: PgliteSession;
  turnstile: Turnstile;
  limitMs: number;
}

/** Waits for its turn, then keeps everyone else out until it ends or `limitMs` have passed. */
export async function openExclusive(
  { session, turnstile, limitMs }: ExclusiveDeps,
  turn: TurnOptions = {},
): Promise<Exclusive> {
  const leave = await turnstile.hold(turn);
  const { promise: expired, reject: expire } = Promise.withResolvers<never>();
  expired.catch(() => {});
  let status: SessionStatus | 'unknown' = 'I';
  let running = 0;
  let closed: Error | undefined;

  function close(reason: Error): void {
    if (closed) return;
    closed = reason;
    clearTimeout(timer);
    // It runs behind all that was sent before, so none of that ends up outside the transaction.
    if (status !== 'I' || running > 0) {
      session.run('ROLLBACK', undefined, STATEMENT_LIMIT_MS).catch(() => {});
    }
    leave();
  }

  const timer = setTimeout(() => {
    const reason = new Error(`A transaction took longer than ${limitMs} ms and was rolled back.`);
    close(reason);
    expire(reason);
  }, limitMs);

  return {
    async run(text, params) {
      if (closed) throw closed;
      running += 1;
      status = 'unknown';
      try {
        const result = await session.run(text, params, STATEMENT_LIMIT_MS);
        status = result.status;
        return result;
      } finally {
        running -= 1;
      }
    },
    expired,
    end: () => close(new Error('The transaction has ended.')),
  };
}
