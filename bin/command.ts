import { type ParseArgsConfig, parseArgs } from 'node:util';

/** One of the command line's commands. */
export interface Command {
  name: string;
  /** One line. */
  summary: string;
  /** `--option <value>` and what it does. */
  options: readonly { usage: string; description: string }[];
  run(args: readonly string[]): Promise<void>;
}

/** The command line is wrong; the message says how. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

type Options = NonNullable<ParseArgsConfig['options']>;

/** The options among `args`. Throws UsageError. */
export function parseOptions<T extends Options>(command: string, args: readonly string[], options: T) {
  return parse(command, { args: [...args], options, allowPositionals: false, strict: true }).values;
}

/** The options among `args`, and the words beside them. Throws UsageError. */
export function parseWords<T extends Options>(command: string, args: readonly string[], options: T) {
  return parse(command, { args: [...args], options, allowPositionals: true, strict: true });
}

function parse<T extends ParseArgsConfig>(command: string, config: T) {
  try {
    return parseArgs(config);
  } catch (error) {
    throw new UsageError(`${(error as Error).message} See citadel ${command} --help.`);
  }
}
