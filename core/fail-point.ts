import { writeSync } from 'node:fs';

/** A boundary between two things that a crash may separate. Each names the state that the rows are left in. */
export type FailPoint =
  /** Nothing of the run is there. */
  | 'run.insert.before'
  /** The run is there; its caller has not been told. */
  | 'run.insert.after'
  /** Steps are `running` with our lease; none has begun. */
  | 'claim.after'
  /** A step's effect has happened; it is `running`. */
  | 'effect.after'
  /** As before the commit. */
  | 'commit.before'
  /** As after it; nobody has been told, and nothing that follows has begun. */
  | 'commit.after'
  /** Steps are `ready`, and nobody has been rung for. */
  | 'publish.before'
  | 'publish.after'
  /** A step's wake is due, and it still waits. */
  | 'timer.fire'
  /** A signal has come, and is nowhere. */
  | 'signal.apply'
  /** Runs are this relay's for some seconds, and nothing was done about them. */
  | 'relay.claim'
  /** A webhook was sent, and is not marked as sent. */
  | 'webhook.sent'
  /** Documents are accepted; their caller has not been told. */
  | 'ingest.accepted'
  /** Documents are ours for some seconds, and nothing was done about them. */
  | 'ingest.claimed'
  /** Pages are read and cut, and their chunks are nowhere. */
  | 'ingest.parsed'
  /** Chunks are in the rows, and nothing else knows of them. */
  | 'ingest.chunked'
  /** Vectors are paid for and kept; their chunks still wait for them. */
  | 'ingest.embedded'
  /** Points are in the index; their chunks still wait for that. */
  | 'ingest.indexed'
  /** All is in the index, and what was searched before still is. */
  | 'ingest.publish.before'
  /** It is searched; what it replaced is listed for the sweep. */
  | 'ingest.published'
  /** Points are deleted, and still listed. */
  | 'sweep.points';

let armed: Map<string, { left: number; isStop: boolean }> | null = null;

/** `name:n,…`: the process kills itself at the n-th pass of the point; with `name:n:stop` it stops itself, until somebody
 *  sends it SIGCONT. For trials only. */
export function armFailPoints(text: string): void {
  const points = text.split(',').filter((point) => point !== '');
  armed =
    points.length === 0
      ? null
      : new Map(
          points.map((point) => {
            const [name = '', pass = '1', action] = point.split(':');
            return [name, { left: Number(pass), isStop: action === 'stop' }];
          }),
        );
}

/** What the process `pid` writes when it stops itself there. */
export const stopWords = (name: string, pid: number) => `process ${pid} stops at ${name}\n`;

/** Does nothing, unless an operator has named the point. */
export function failPoint(name: FailPoint): void {
  const point = armed?.get(name);
  if (point === undefined) return;
  point.left -= 1;
  if (point.left !== 0) return;
  writeSync(process.stderr.fd, point.isStop ? stopWords(name, process.pid) : `fail point ${name}\n`);
  process.kill(process.pid, point.isStop ? 'SIGSTOP' : 'SIGKILL');
}
