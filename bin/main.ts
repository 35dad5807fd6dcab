import { ConfigError } from '../core/config-error.ts';
import { isDiskFull } from '../core/disk-full.ts';
import { AppError } from '../core/errors.ts';
import { type Command, UsageError } from './command.ts';
import { VERSION } from './version.ts';

// Each is loaded when it is asked for: half a second that most of them do not need.
const COMMANDS: Record<string, () => Promise<Command>> = {
  up: async () => (await import('./commands/up.ts')).up,
  api: async () => (await import('./commands/api.ts')).api,
  worker: async () => (await import('./commands/worker.ts')).worker,
  runs: async () => (await import('./commands/runs.ts')).runs,
  jobs: async () => (await import('./commands/jobs.ts')).jobs,
  ingest: async () => (await import('./commands/ingest.ts')).ingest,
  migrate: async () => (await import('./commands/migrate.ts')).migrate,
  keys: async () => (await import('./commands/keys.ts')).keys,
  doctor: async () => (await import('./commands/doctor.ts')).doctor,
  usage: async () => (await import('./commands/usage.ts')).usage,
  backup: async () => (await import('./commands/backup.ts')).backup,
  restore: async () => (await import('./commands/restore.ts')).restore,
  move: async () => (await import('./commands/move.ts')).move,
  simulate: async () => (await import('./commands/simulate.ts')).simulate,
};

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

/** Runs the command that `args` names. Sets the process's exit code; never throws. */
export async function main(args: readonly string[]): Promise<void> {
  const [name = 'up', ...rest] = args;
  if (name === '--version' || name === '-v') return print(VERSION);
  if (name === '--help' || name === '-h' || name === 'help') return await printHelp(Object.values(COMMANDS));
  const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (!load) {
    const names = Object.keys(COMMANDS).join(', ');
    return fail(EXIT_USAGE, `There is no command "${name}". The commands are: ${names}. See citadel --help.`);
  }
  if (rest.includes('--help') || rest.includes('-h')) return await printHelp([load]);
  try {
    const command = await load();
    await command.run(rest);
  } catch (error) {
    fail(error instanceof UsageError ? EXIT_USAGE : EXIT_FAILED, explain(error));
  }
}

async function printHelp(loads: readonly (() => Promise<Command>)[]): Promise<void> {
  const { commandHelp, overallHelp } = await import('./help.ts');
  const commands = await Promise.all(loads.map((load) => load()));
  const [only] = commands;
  print(only && commands.length === 1 ? commandHelp(only) : overallHelp(commands));
}

function explain(error: unknown): string {
  if (error instanceof ConfigError || error instanceof AppError || error instanceof UsageError)
    return error.message;
  if (isDiskFull(error)) return `No space is left on a disk: ${String(error)}. Make room, and start again.`;
  // Errors of our own making, such as "Port 8002 is in use", name their cause; anything else shows where it comes from.
  if (error instanceof Error)
    return error.cause === undefined ? (error.stack ?? error.message) : error.message;
  return String(error);
}

function print(text: string): void {
  console.log(text);
}

function fail(code: number, message: string): void {
  console.error(message);
  process.exitCode = code;
  // What was half started must not keep the process.
  setTimeout(() => process.exit(code), 500).unref();
}
