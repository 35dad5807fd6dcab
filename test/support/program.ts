import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { NODE_OPTIONS } from './node-options.ts';

/** A program of `test/support` in a process of its own. */
export interface TestProgram {
  pid: number;
  /** What it has printed so far. */
  lines: string[];
  /** The line it prints next, of those that nobody has asked for; throws when it ends instead. */
  nextLine(): Promise<string>;
  /** SIGKILL; harmless when it has ended. */
  kill(): Promise<void>;
}

export function startProgram(name: string, args: readonly string[]): TestProgram {
  const file = fileURLToPath(new URL(`./${name}`, import.meta.url));
  const child: ChildProcess = spawn(process.execPath, [...NODE_OPTIONS, file, ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  if (!child.stdout || child.pid === undefined) throw new Error(`${name} did not start`);
  const gone = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const lines: string[] = [];
  let asked = 0;
  let wake = () => {};
  createInterface(child.stdout).on('line', (line) => {
    lines.push(line);
    wake();
  });

  return {
    pid: child.pid,
    lines,
    async nextLine() {
      while (lines.length <= asked) {
        const more = new Promise<boolean>((resolve) => {
          wake = () => resolve(true);
        });
        const alive = await Promise.race([more, gone]);
        if (!alive && lines.length <= asked) throw new Error(`${name} ended`);
      }
      asked += 1;
      return lines[asked - 1] ?? '';
    },
    async kill() {
      child.kill('SIGKILL');
      await gone;
    },
  };
}
