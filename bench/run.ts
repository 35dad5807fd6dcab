import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkGoals, hasFaults } from './goals.ts';
import { startLoadClient } from './load-client.ts';
import { machineFacts } from './machine-facts.ts';
import { type Measurements, measure } from './measurement.ts';
import { HELP, type Options, parseOptions } from './options.ts';
import { createOwnedProcesses, type OwnedProcesses } from './owned-processes.ts';
import { FULL_PLAN, modelsOf, QUICK_PLAN } from './plan.ts';
import { formatReport, type ReportInput } from './report.ts';
import {
  missingFor,
  type RunningSubject,
  SUBJECT_TITLES,
  type Surroundings,
  startRival,
  startStraight,
} from './subjects.ts';
import { summarise } from './summary.ts';

const RESULTS = join(import.meta.dirname, 'results');
const EXIT_BROKEN = 1;
const EXIT_USAGE = 2;
const EXIT_INTERRUPTED = 130;

process.exitCode = await main(process.argv.slice(2));

async function main(args: string[]): Promise<number> {
  const options = readOptions(args);
  if (options === null) return EXIT_USAGE;
  if (options.isHelp) {
    console.log(HELP);
    return 0;
  }
  const directory = mkdtempSync(join(tmpdir(), 'citadel-bench-'));
  const processes = createOwnedProcesses(directory);
  const interruption = interruptionOf(processes);
  try {
    return await run(options, { processes, directory, signal: interruption });
  } catch (error) {
    if (interruption.aborted) return EXIT_INTERRUPTED;
    console.error((error as Error).message);
    return EXIT_BROKEN;
  } finally {
    await processes.killAll();
    rmSync(directory, { recursive: true, force: true });
  }
}

function readOptions(args: string[]): Options | null {
  try {
    return parseOptions(args);
  } catch (error) {
    console.error(`${(error as Error).message}\nSee npm run bench -- --help.`);
    return null;
  }
}

/** Aborts at the first Ctrl-C or SIGTERM; the second ends everything at once. */
function interruptionOf(processes: OwnedProcesses): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(EXIT_INTERRUPTED);
      say('stopping');
      controller.abort(new Error('The benchmark was interrupted.'));
      void processes.killAll();
    });
  }
  process.on('exit', () => void processes.killAll());
  return controller.signal;
}

interface RunContext {
  processes: OwnedProcesses;
  directory: string;
  signal: AbortSignal;
}

async function run(options: Options, { processes, directory, signal }: RunContext): Promise<number> {
  const startedAt = new Date();
  const machine = machineFacts();
  const plan = options.isQuick ? QUICK_PLAN : FULL_PLAN;
  const around = { processes, directory, models: modelsOf(plan) };
  const { subjects, missing } = await startSubjects(options, around, signal);

  const load = startLoadClient(signal);
  let measurements: Measurements;
  try {
    measurements = await measure(subjects, { load, plan, say });
  } finally {
    load.stop();
  }
  const dead = subjects.flatMap(({ processes: owned }) => owned.filter((one) => one.ended() !== null));
  for (const one of dead)
    say(`${one.name} did not live to the end: ${one.ended()}\n${await one.lastWords()}`);

  const summaries = summarise(measurements, plan.streams.count);
  const roundsDone = Math.max(...measurements.rounds.map(({ round }) => round));
  const report: ReportInput = {
    machine,
    plan,
    roundsDone,
    foreignLoad: measurements.foreignLoad,
    summaries,
    missing,
  };
  console.log(`\n${formatReport(report)}\n`);
  const file = writeResults({ startedAt, ...report, targets: checkGoals(summaries), measurements });
  say(`took ${Math.round((Date.now() - startedAt.getTime()) / 1_000)} s; results in ${file}`);

  const isBroken = dead.length > 0 || summaries.some(hasFaults) || missing.some(({ isFailure }) => isFailure);
  return isBroken ? EXIT_BROKEN : 0;
}

interface Missing {
  id: RunningSubject['id'];
  reason: string;
  /** It should have started; what the machine does not have is no failure. */
  isFailure: boolean;
}

async function startSubjects(
  { only }: Options,
  around: Surroundings,
  signal: AbortSignal,
): Promise<{ subjects: RunningSubject[]; missing: Missing[] }> {
  const straight = await startStraight(around);
  const subjects = [straight];
  const missing: Missing[] = [];
  for (const id of only) {
    signal.throwIfAborted();
    const lack = missingFor(id);
    if (lack !== null) {
      missing.push({ id, reason: lack, isFailure: false });
      say(`skipping ${SUBJECT_TITLES[id]}: ${lack}`);
      continue;
    }
    say(`starting: ${SUBJECT_TITLES[id]}`);
    try {
      subjects.push(await startRival(id, Number(new URL(straight.origin).port), around));
    } catch (error) {
      signal.throwIfAborted();
      const reason = (error as Error).message;
      missing.push({ id, reason, isFailure: true });
      say(`${SUBJECT_TITLES[id]} did not start: ${reason}`);
    }
  }
  return { subjects, missing };
}

function writeResults(
  results: ReportInput & { startedAt: Date; targets: unknown; measurements: Measurements },
) {
  mkdirSync(RESULTS, { recursive: true });
  const file = join(RESULTS, `${results.startedAt.toISOString().replaceAll(':', '-')}.json`);
  writeFileSync(file, `${JSON.stringify(results, null, 2)}\n`);
  return file;
}

function say(line: string): void {
  console.error(`bench: ${line}`);
}
