import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface OwnedProcess {
  /** What it is in its subject: `api`, `worker`, `redis` … */
  name: string;
  pid: number;
  /** How it ended; null while it runs. */
  ended(): string | null;
  /** The end of what it wrote. */
  lastWords(): Promise<string>;
}

export interface ProcessOptions {
  name: string;
  /** Unique in the run; names its log file. */
  id: string;
  command: string;
  args: readonly string[];
  env?: Record<string, string>;
}

export interface OwnedProcesses {
  start(options: ProcessOptions): OwnedProcess;
  /** Has a process that somebody else started end with the others. */
  adopt(service: { stop(): Promise<void> }): void;
  /** SIGKILL to every process that was started: their data goes with the run. Resolves when all are gone. */
  killAll(): Promise<void>;
}

const LAST_WORDS = 1_500;
// A setting of the caller's must not reach what is measured.
const NOT_INHERITED = /^(CITADEL_.*|(REDIS|DATABASE|QDRANT)_.*|PORT|HOST|NODE_OPTIONS|LOG_LEVEL|npm_.*)$/i;

/** Starts and ends the run's processes. They work in `directory`, which keeps their logs, so no config file is found. */
export function createOwnedProcesses(directory: string): OwnedProcesses {
  const started: { child: ChildProcess; gone: Promise<void> }[] = [];
  const adopted: { stop(): Promise<void> }[] = [];

  function start({ name, id, command, args, env = {} }: ProcessOptions): OwnedProcess {
    const logPath = join(directory, `${id}.log`);
    const log = openSync(logPath, 'a');
    const child = spawn(command, args, {
      cwd: directory,
      env: { ...inheritedEnvironment(), ...env },
      stdio: ['ignore', log, log],
    });
    closeSync(log);
    const exit = exitOf(child);
    started.push({ child, gone: exit.done });
    return {
      name,
      pid: child.pid ?? 0,
      ended: exit.reason,
      lastWords: async () => (await readFile(logPath, 'utf8').catch(() => '')).slice(-LAST_WORDS).trim(),
    };
  }

  return {
    start,
    adopt: (service) => void adopted.push(service),
    async killAll() {
      for (const { child } of started) child.kill('SIGKILL');
      await Promise.all([
        ...started.map(({ gone }) => gone),
        ...adopted.splice(0).map((service) => service.stop()),
      ]);
    },
  };
}

function inheritedEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !NOT_INHERITED.test(name)));
}

function exitOf(child: ChildProcess): { done: Promise<void>; reason(): string | null } {
  let reason: string | null = null;
  const done = new Promise<void>((resolve) => {
    child.once('error', (error) => {
      reason ??= error.message;
      resolve();
    });
    child.once('exit', (code, signal) => {
      reason ??= signal === null ? `it ended with code ${code}` : `it ended by ${signal}`;
      resolve();
    });
  });
  return { done, reason: () => reason };
}
