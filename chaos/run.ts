// npm run chaos: random workflows on real processes that are killed, frozen and restarted all the time.
import { runTrialCommand } from '../bench/trial-command.ts';
import { HELP, parseOptions } from './options.ts';
import { runTrial } from './trial.ts';

process.exitCode = await runTrialCommand(
  { name: 'chaos', help: HELP, parse: parseOptions, run: runTrial },
  process.argv.slice(2),
);
