// npm run bench -- workflows
import { parseArgs } from 'node:util';
import { watchForeignLoad } from '../foreign-load.ts';
import { machineFacts } from '../machine-facts.ts';
import { keepResults } from '../results-file.ts';
import { say } from '../say.ts';
import { startStraight } from '../subjects.ts';
import { runTrialCommand, type TrialContext } from '../trial-command.ts';
import { type Measured, measureSize } from './measure.ts';
import { FULL_PLAN, MODEL, type Plan, QUICK_PLAN } from './plan.ts';
import { checkGoals, formatReport } from './report.ts';
import { isSizeId, missingFor, SIZE_IDS, SIZE_TITLES, type SizeId, startSize } from './sizes.ts';

const HELP = `npm run bench -- workflows [options]

Measures durable steps: chains of chats against a simulated server that answers at once, run starts, and wide maps.
Everything runs on 127.0.0.1.

  --quick           a short round without the widest map
  --only <id>[,…]   which sizes, of: ${SIZE_IDS.join(', ')}
  --help            this text

The results are printed, and written as JSON to bench/results/. The exit code tells only whether every run succeeded.`;

/** Gives the exit code. */
export function benchWorkflows(args: string[]): Promise<number> {
  return runTrialCommand({ name: 'bench -- workflows', help: HELP, parse: parseOptions, run }, args);
}

interface Options {
  isHelp: boolean;
  plan: Plan;
  only: readonly SizeId[];
}

async function run(
  { plan, only }: Options,
  { directory, processes, signal }: TrialContext,
): Promise<boolean> {
  const startedAt = new Date();
  const around = { processes, directory, models: [MODEL] };
  const straight = await startStraight(around);
  const measured: Measured[] = [];
  const missing: { id: SizeId; reason: string }[] = [];
  const loads: number[] = [];
  for (const id of only) {
    signal.throwIfAborted();
    const reason = missingFor(id);
    if (reason !== null) {
      missing.push({ id, reason });
      continue;
    }
    say(`starting: ${SIZE_TITLES[id]}`);
    const size = await startSize(id, Number(new URL(straight.origin).port), around);
    const pids = [process, ...straight.processes, ...size.processes].map(({ pid }) => pid);
    const load = watchForeignLoad(pids);
    measured.push(await measureSize(size, { plan, signal, say }));
    // The stores' own processes count as foreign here, so that this is of use embedded only.
    if (id === 'embedded') loads.push(load() ?? 0);
    for (const one of size.processes) process.kill(one.pid, 'SIGKILL');
  }
  const report = {
    machine: machineFacts(),
    plan,
    measured,
    missing,
    foreignLoad: loads.length === 0 ? null : Math.max(...loads),
  };
  console.log(`\n${formatReport(report)}\n`);
  keepResults('workflows-', startedAt, { startedAt, ...report, targets: checkGoals(measured) });
  return measured.every(({ faults }) => faults === 0);
}

function parseOptions(args: string[]): Options {
  const { values } = parseArgs({
    args,
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string', default: SIZE_IDS.join(',') },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  return {
    isHelp: values.help,
    plan: values.quick ? QUICK_PLAN : FULL_PLAN,
    only: values.only.split(',').map(parseSize),
  };
}

function parseSize(text: string): SizeId {
  const id = text.trim();
  if (isSizeId(id)) return id;
  throw new Error(`There is no "${id}". --only takes ${SIZE_IDS.join(', ')}.`);
}
