import { measureGateways } from './gateways-part.ts';
import { measureIdle } from './idle-part.ts';
import { machineFacts } from './machine-facts.ts';
import { HELP, type Options, type PartName, parseOptions } from './options.ts';
import { measureOverhead } from './overhead-part.ts';
import type { PartContext, PartResult } from './part.ts';
import { FULL_PLAN, modelsOf, QUICK_PLAN } from './plan.ts';
import { benchRag } from './rag/run.ts';
import { keepResults } from './results-file.ts';
import { say } from './say.ts';
import { runTrialCommand, type TrialContext } from './trial-command.ts';
import { benchWorkflows } from './workflows/run.ts';

const PARTS: Record<PartName, (context: PartContext) => Promise<PartResult>> = {
  gateways: measureGateways,
  overhead: measureOverhead,
  idle: measureIdle,
};

const TOPICS = new Map([
  ['workflows', benchWorkflows],
  ['rag', benchRag],
]);

const [topic = '', ...others] = process.argv.slice(2);
const bench = TOPICS.get(topic);
process.exitCode = bench
  ? await bench(others)
  : await runTrialCommand({ name: 'bench', help: HELP, parse: parseOptions, run }, process.argv.slice(2));

async function run({ isQuick, only, parts }: Options, context: TrialContext): Promise<boolean> {
  const { processes, directory, signal } = context;
  const startedAt = new Date();
  const plan = isQuick ? QUICK_PLAN : FULL_PLAN;
  const results: Record<string, object> = {};
  let isBroken = false;
  for (const name of parts) {
    const around = { processes, directory, models: modelsOf(plan) };
    const part = await PARTS[name]({ plan, only, around, signal, say });
    await processes.killAll();
    console.log(`\n${part.text}\n`);
    // The gateways' results stand at the top, where they have always been.
    Object.assign(results, name === 'gateways' ? part.results : { [name]: part.results });
    isBroken ||= part.isBroken;
  }
  keepResults('', startedAt, { startedAt, machine: machineFacts(), ...results });
  return !isBroken;
}
