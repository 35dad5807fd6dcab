import type { OwnedProcess, OwnedProcesses } from '../bench/owned-processes.ts';
import { stopWords } from '../core/fail-point.ts';
import { pauseMs } from './pause-ms.ts';

/** One Citadel process of the trial, which is started again whenever it has ended. */
export interface Member {
  readonly name: string;
  /** Null where it serves nothing. */
  readonly url: string | null;
  /** How long it has been there this time; 0 when it is not. */
  upMs(): number;
  /** SIGKILL; false when it was not there. */
  kill(): boolean;
  /** SIGKILL; its next life stops itself at the point (`name:n`). False when it did not come there: then it is killed again. */
  freezeAt(point: string, limits: { withinMs: number; signal: AbortSignal }): Promise<boolean>;
  /** SIGCONT. */
  thaw(): void;
  /** SIGTERM, for good; resolves when it has ended. */
  stop(): Promise<void>;
}

/** A process's end. */
export interface Death {
  name: string;
  /** `killed`: by the trial. `failPoint`: by itself, at the point. `crashed`: neither. */
  how: 'killed' | 'failPoint' | 'crashed';
  /** Where it has ended itself; null where it has not. */
  failPoint: string | null;
  words: string;
}

export interface MemberOptions {
  name: string;
  command: string;
  args: readonly string[];
  env: Record<string, string>;
  url: string | null;
  processes: OwnedProcesses;
  /** For its next life; '' for none. */
  nextFailPoints(): string;
  onDeath(death: Death): void;
}

const LOOK_EVERY_MS = 25;
const STOPPED_EVERY_MS = 100;
const FAIL_POINT = /(?:^|\n)fail point (\S+)$/;
const BACK_AFTER_MS = 200;

export function startMember(options: MemberOptions): Member {
  const { name, url, processes, nextFailPoints, onDeath } = options;
  /** What the next life is armed with, instead of chance. */
  let ordered: string | null = null;
  let failPoints = nextFailPoints();
  let launchedMs = 0;
  let current = launch();
  let isStopped = false;
  let wasKilled = false;
  void supervise();

  function launch(): OwnedProcess {
    const { command, args, env } = options;
    launchedMs = performance.now();
    return processes.start({
      name,
      id: name,
      command,
      args,
      env: { ...env, ...(failPoints === '' ? {} : { CITADEL_FAIL_POINTS: failPoints }) },
    });
  }

  async function supervise(): Promise<void> {
    while (!isStopped) {
      await pauseMs(LOOK_EVERY_MS);
      const ended = current.ended();
      if (ended === null || isStopped) continue;
      await mourn(ended);
      await pauseMs(BACK_AFTER_MS);
      if (isStopped) return;
      failPoints = ordered ?? nextFailPoints();
      wasKilled = false;
      current = launch();
    }
  }

  async function mourn(ended: string): Promise<void> {
    const words = await current.lastWords();
    const failPoint = wasKilled || !ended.includes('SIGKILL') ? null : (FAIL_POINT.exec(words)?.[1] ?? null);
    const how = wasKilled ? 'killed' : failPoint === null ? 'crashed' : 'failPoint';
    onDeath({ name, how, failPoint, words: how === 'crashed' ? `${ended}\n${words}` : '' });
  }

  function send(signal: NodeJS.Signals): boolean {
    if (current.ended() !== null) return false;
    return process.kill(current.pid, signal);
  }

  function kill(): boolean {
    if (wasKilled || current.ended() !== null) return false;
    wasKilled = true;
    return send('SIGKILL');
  }

  async function isStoppedAt(point: string): Promise<boolean> {
    const [pointName = ''] = point.split(':');
    const { pid } = current;
    return (await current.lastWords()).endsWith(stopWords(pointName, pid).trim());
  }

  return {
    name,
    url,
    upMs: () => (current.ended() === null ? performance.now() - launchedMs : 0),
    kill,
    async freezeAt(point, { withinMs, signal }) {
      const untilMs = performance.now() + withinMs;
      ordered = `${point}:stop`;
      kill();
      let isThere = false;
      while (!isThere && performance.now() < untilMs && !signal.aborted) {
        await pauseMs(STOPPED_EVERY_MS, signal);
        isThere = await isStoppedAt(point);
      }
      ordered = null;
      if (!isThere) kill();
      return isThere;
    },
    thaw: () => void send('SIGCONT'),
    async stop() {
      isStopped = true;
      send('SIGTERM');
      while (current.ended() === null) await pauseMs(LOOK_EVERY_MS);
    },
  };
}
