import type { FaultName } from '../../servers/demo/faults.ts';

/** How a call ends for its caller. `answered`: whole, with a stream's [DONE]. `refused`: an error and nothing else.
 *  `cut`: a part of a stream, then an error. */
export interface Seen {
  end: 'answered' | 'refused' | 'cut';
  status: number;
  /** The error's. */
  code: string | null;
  /** Calls to servers. */
  attempts: number;
  retryAfter: string | null;
  /** Whose answer it is; null for none. */
  server: 'faulty' | 'good' | null;
}

/** What callers see of a fault, and by when. */
interface Place {
  whole: Partial<Seen>;
  stream: Partial<Seen>;
  withinMs: number;
}

export interface FaultRow {
  fault: FaultName | 'not-listening' | 'dead-host' | 'flap';
  /** The faulty server is the only one that has the model. */
  alone: Place;
  /** Another one has it too; the faulty one is asked first. */
  beside: Place;
}

/** In force in the tests. */
export const CONNECT_MS = 500;
export const SILENCE_MS = 1_500;

/** For what needs no waiting: three attempts with their pauses, on a busy machine. */
const SOON_MS = 2_000;
const AFTER_SILENCE_MS = SILENCE_MS + SOON_MS;

const GOOD = { end: 'answered', status: 200, code: null, retryAfter: null } as const;
const OWN: Partial<Seen> = { ...GOOD, attempts: 1, server: 'faulty' };
const MOVED: Partial<Seen> = { ...GOOD, attempts: 2, server: 'good' };
const cut = (code: string): Partial<Seen> => ({
  end: 'cut',
  status: 200,
  code,
  attempts: 1,
  server: 'faulty',
});
const refused = (status: number, code: string, attempts: number, retryAfter: string | null = null) => ({
  end: 'refused' as const,
  status,
  code,
  attempts,
  retryAfter,
});

const BAD = refused(502, 'bad_backend', 3);
const GONE = refused(503, 'no_healthy_server', 3, '1');
const SILENT = refused(504, 'deadline_exceeded', 1);

const both = (seen: Partial<Seen>, withinMs = SOON_MS): Place => ({ whole: seen, stream: seen, withinMs });

/** Tried anew where there is but one server, answered by the other where there is one. */
const retried = (fault: FaultRow['fault'], alone: Partial<Seen>, withinMs = SOON_MS): FaultRow => ({
  fault,
  alone: both(alone, withinMs),
  beside: both(MOVED, withinMs),
});

/** The same wherever it happens: no other server would do better, or nothing is wrong. */
const kept = (fault: FaultRow['fault'], seen: Partial<Seen>): FaultRow => ({
  fault,
  alone: both(seen),
  beside: both(seen),
});

/** A whole answer is asked for anew; a stream that its caller has seen a part of ends there. */
const halfway = (
  fault: FaultRow['fault'],
  alone: Partial<Seen>,
  code: string,
  withinMs = SOON_MS,
): FaultRow => ({
  fault,
  alone: { whole: alone, stream: cut(code), withinMs },
  beside: { whole: MOVED, stream: cut(code), withinMs },
});

export const FAULT_TABLE: readonly FaultRow[] = [
  retried('refuse', GONE),
  retried('not-listening', GONE),
  retried('dead-host', GONE, 3 * CONNECT_MS + SOON_MS),
  retried('hang', SILENT, AFTER_SILENCE_MS),
  retried('slow-trickle', SILENT, AFTER_SILENCE_MS),
  retried('error-500', BAD),
  retried('error-503', BAD),
  { fault: 'flaky-500', alone: both({ ...OWN, attempts: 2 }), beside: both(MOVED) },
  retried('flap', GONE),
  retried('rate-limit', refused(429, 'rate_limit_exceeded', 1, '1')),
  retried('rate-limit-retry-after', refused(429, 'rate_limit_exceeded', 1, '2')),
  kept('bad-request', refused(400, '400', 1)),
  kept('context-length', refused(400, 'context_length_exceeded', 1)),
  kept('unauthorized', refused(502, 'bad_backend', 1)),
  retried('malformed-json', BAD),
  retried('html', BAD),
  retried('empty', BAD),
  retried('empty-choices', BAD),
  retried('error-event', BAD),
  halfway('malformed-chunk', BAD, 'bad_backend'),
  halfway('cut-stream', BAD, 'bad_backend'),
  halfway('no-finish', BAD, 'bad_backend'),
  halfway('stall', SILENT, 'deadline_exceeded', AFTER_SILENCE_MS),
  kept('no-done', OWN),
  kept('no-stream', OWN),
  kept('crlf', OWN),
  kept('wrong-model', OWN),
];
