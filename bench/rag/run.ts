// npm run bench -- rag
import { parseArgs } from 'node:util';
import { watchForeignLoad } from '../foreign-load.ts';
import { machineFacts } from '../machine-facts.ts';
import { keepResults } from '../results-file.ts';
import { say } from '../say.ts';
import { startRival, startStraight } from '../subjects.ts';
import { runTrialCommand, type TrialContext } from '../trial-command.ts';
import { measureRag } from './measure.ts';
import { CHAT_MODEL, EMBEDDING_MODEL, FULL_PLAN, type Plan, QUICK_PLAN } from './plan.ts';
import { checkGoals, formatReport } from './report.ts';

const HELP = `npm run bench -- rag [options]

Measures documents: reading them, taking them in with and without embeddings, searches, the memory that a long PDF
takes, and chats beside an ingest. Citadel is embedded, the model server simulated; everything runs on 127.0.0.1.

  --quick           a short round, too small for most targets (default: under 5 minutes on a quiet machine)
  --help            this text

The results are printed, and written as JSON to bench/results/. The exit code tells only whether all was answered.`;

/** Gives the exit code. */
export function benchRag(args: string[]): Promise<number> {
  return runTrialCommand({ name: 'bench -- rag', help: HELP, parse: parseOptions, run }, args);
}

interface Options {
  isHelp: boolean;
  plan: Plan;
}

async function run({ plan }: Options, { directory, processes, signal }: TrialContext): Promise<boolean> {
  const startedAt = new Date();
  const around = { processes, directory, models: [CHAT_MODEL, EMBEDDING_MODEL] };
  const straight = await startStraight(around);
  const citadel = await startRival('embedded', Number(new URL(straight.origin).port), around);
  const load = watchForeignLoad([process, ...straight.processes, ...citadel.processes].map(({ pid }) => pid));
  const measured = await measureRag(citadel, { plan, signal, say });
  const report = { machine: machineFacts(), plan, measured, foreignLoad: load() };
  console.log(`\n${formatReport(report)}\n`);
  keepResults('rag-', startedAt, { startedAt, ...report, targets: checkGoals(plan, measured) });
  return true;
}

function parseOptions(args: string[]): Options {
  const { values } = parseArgs({
    args,
    options: {
      quick: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  return { isHelp: values.help, plan: values.quick ? QUICK_PLAN : FULL_PLAN };
}
