import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EXIT_INTERRUPTED, interruptionOf } from './interruption.ts';
import { createOwnedProcesses, type OwnedProcesses } from './owned-processes.ts';

/** What a trial works with; all of it is gone when it has ended. */
export interface TrialContext {
  processes: OwnedProcesses;
  directory: string;
  signal: AbortSignal;
}

interface TrialCommand<Options> {
  /** How it is called: `bench -- workflows`. */
  name: string;
  help: string;
  /** Throws an Error for the caller. */
  parse(args: string[]): Options & { isHelp: boolean };
  /** Whether all is well. */
  run(options: Options, context: TrialContext): Promise<boolean>;
}

const EXIT_BROKEN = 1;
const EXIT_USAGE = 2;

/** Runs it with a directory and processes of its own, and gives the exit code. */
export async function runTrialCommand<Options>(
  { name, help, parse, run }: TrialCommand<Options>,
  args: string[],
): Promise<number> {
  const options = readOptions(name, () => parse(args));
  if (options === null) return EXIT_USAGE;
  if (options.isHelp) {
    console.log(help);
    return 0;
  }
  const [topic = ''] = name.split(' ');
  const directory = mkdtempSync(join(tmpdir(), `citadel-${topic}-`));
  const processes = createOwnedProcesses(directory);
  const signal = interruptionOf(processes, (line) => console.error(`${topic}: ${line}`));
  try {
    return (await run(options, { processes, directory, signal })) ? 0 : EXIT_BROKEN;
  } catch (error) {
    if (signal.aborted) return EXIT_INTERRUPTED;
    console.error(error instanceof Error ? error.stack : error);
    return EXIT_BROKEN;
  } finally {
    await processes.killAll();
    await rm(directory, { recursive: true, force: true });
  }
}

function readOptions<T>(name: string, parse: () => T): T | null {
  try {
    return parse();
  } catch (error) {
    console.error(
      `${(error as Error).message}\nSee npm run ${name.includes(' ') ? name : `${name} --`} --help.`,
    );
    return null;
  }
}
