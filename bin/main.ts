import { ConfigError } from '../core/config-error.ts';
import { AppError } from '../core/errors.ts';
import { type Command, UsageError } from './command.ts';
import { api } from './commands/api.ts';
import { migrate } from './commands/migrate.ts';
import { simulate } from './commands/simulate.ts';
import { up } from './commands/up.ts';
import { worker } from './commands/worker.ts';
import { commandHelp, overallHelp } from './help.ts';
import { VERSION } from './version.ts';

const COMMANDS: readonly Command[] = [up, api, worker, migrate, simulate];

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

/** Runs the command that `args` names. Sets the process's exit code; never throws. */
export async function main(args: readonly string[]): Promise<void> {
  const [name = 'up', ...rest] = args;
  if (name === '--version' || name === '-v') return print(VERSION);
  if (name === '--help' || name === '-h' || name === 'help') return print(overallHelp(COMMANDS));
  const command = COMMANDS.find((candidate) => candidate.name === name);
  if (!command) {
    const names = COMMANDS.map((candidate) => candidate.name).join(', ');
    return fail(EXIT_USAGE, `There is no command "${name}". The commands are: ${names}. See citadel --help.`);
  }
  if (rest.includes('--help') || rest.includes('-h')) return print(commandHelp(command));
  try {
    await command.run(rest);
  } catch (error) {
    fail(error instanceof UsageError ? EXIT_USAGE : EXIT_FAILED, explain(error));
  }
}

function explain(error: unknown): string {
  if (error instanceof ConfigError || error instanceof AppError || error instanceof UsageError)
    return error.message;
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
