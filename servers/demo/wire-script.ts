import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';

/** How a play leaves the connection: a proper end, a cut (FIN), a reset (RST), or open and silent. */
export type Ending = 'end' | 'cut' | 'reset' | 'hold';

/** What one call gets on the wire: a head, pieces on a timetable, and an ending. */
export interface WireScript {
  /** null: not a byte is sent. */
  head: { status: number; headers: OutgoingHttpHeaders } | null;
  /** Send the head before the first piece is due, as servers of streams do. */
  isHeadFirst: boolean;
  pieces: Iterable<string>;
  /** `latin1`: each character of a piece is one byte, so that pieces may end inside a UTF-8 sequence. */
  encoding: 'utf8' | 'latin1';
  /** Piece `i` is due `firstMs + i * stepMs` after the play began. */
  firstMs: number;
  stepMs: number;
  ending: Ending;
}

/** Bytes (about) that are written in one turn before other calls get theirs. */
const BATCH_CHARS_MAX = 256 * 1024;
/** Timers fire on whole milliseconds: a piece that is due within this is due now. */
const EARLY_MS = 0.5;
/** A timer that is set for longer fires at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** Plays `script` on `res` and tells `onBreak` right before it breaks the connection itself. Answers its stop. */
export function playScript(res: ServerResponse, script: WireScript, onBreak: () => void): () => void {
  const beganAt = performance.now();
  const pieces = script.pieces[Symbol.iterator]();
  let next = pieces.next();
  let sent = 0;
  let timer: NodeJS.Timeout | undefined;
  let isStopped = false;

  function untilDue(): number {
    return script.firstMs + sent * script.stepMs - (performance.now() - beganAt);
  }

  function takeDue(): string {
    const dueMs = performance.now() - beganAt + EARLY_MS;
    let batch = '';
    while (!next.done && batch.length < BATCH_CHARS_MAX && script.firstMs + sent * script.stepMs <= dueMs) {
      batch += next.value;
      sent += 1;
      next = pieces.next();
    }
    return batch;
  }

  function turn(): void {
    if (isStopped) return;
    const batch = takeDue();
    if (batch !== '' || next.done) sendHead(res, script);
    if (next.done) {
      finish(res, script, batch, onBreak);
      return;
    }
    if (batch !== '' && !res.write(batch, script.encoding)) {
      res.once('drain', turn);
      return;
    }
    timer = setTimeout(turn, Math.min(TIMER_MS_MAX, Math.max(0, Math.ceil(untilDue()))));
  }

  if (script.isHeadFirst && untilDue() > EARLY_MS) {
    sendHead(res, script);
    res.flushHeaders();
  }
  turn();
  return () => {
    isStopped = true;
    clearTimeout(timer);
  };
}

function sendHead(res: ServerResponse, { head }: WireScript): void {
  if (head !== null && !res.headersSent) res.writeHead(head.status, head.headers);
}

function finish(res: ServerResponse, script: WireScript, batch: string, onBreak: () => void): void {
  if (script.ending === 'end') {
    res.end(batch, script.encoding);
    return;
  }
  const leave = () => {
    if (script.ending === 'hold') return;
    onBreak();
    if (script.ending === 'reset') res.socket?.resetAndDestroy();
    res.destroy();
  };
  // The rest waits for the write: a socket destroyed earlier may drop what it still holds.
  if (batch === '') leave();
  else res.write(batch, script.encoding, leave);
}
