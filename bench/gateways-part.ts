import { checkGoals, hasFaults } from './goals.ts';
import { startLoadClient } from './load-client.ts';
import { machineFacts } from './machine-facts.ts';
import { type Measurements, measure } from './measurement.ts';
import type { PartContext, PartResult } from './part.ts';
import { formatReport, type ReportInput } from './report.ts';
import { missingFor, type RunningSubject, SUBJECT_TITLES, startRival, startStraight } from './subjects.ts';
import { summarise } from './summary.ts';

/** Each gateway against its backend alone, and against the others. */
export async function measureGateways(context: PartContext): Promise<PartResult> {
  const { plan, signal, say } = context;
  const { subjects, missing } = await startSubjects(context);
  const load = startLoadClient(signal);
  let measurements: Measurements;
  try {
    measurements = await measure(subjects, { load, plan, say });
  } finally {
    load.stop();
  }
  const dead = subjects.flatMap(({ processes }) => processes.filter((one) => one.ended() !== null));
  for (const one of dead)
    say(`${one.name} did not live to the end: ${one.ended()}\n${await one.lastWords()}`);

  const summaries = summarise(measurements, plan.streams.count);
  const report: ReportInput = {
    machine: machineFacts(),
    plan,
    roundsDone: Math.max(...measurements.rounds.map(({ round }) => round)),
    foreignLoad: measurements.foreignLoad,
    summaries,
    missing,
  };
  return {
    text: formatReport(report),
    results: { ...report, targets: checkGoals(summaries), measurements },
    isBroken: dead.length > 0 || summaries.some(hasFaults) || missing.some(({ isFailure }) => isFailure),
  };
}

interface Missing {
  id: RunningSubject['id'];
  reason: string;
  /** It should have started; what the machine does not have is no failure. */
  isFailure: boolean;
}

async function startSubjects({
  only,
  around,
  signal,
  say,
}: PartContext): Promise<{ subjects: RunningSubject[]; missing: Missing[] }> {
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
