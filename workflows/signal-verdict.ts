import { isFinal } from './decide-ending.ts';
import type { PlannedStep } from './plan.ts';
import type { RunView } from './run-view.ts';
import { withoutIndexes } from './step-key.ts';
import { isEnded } from './step-table.ts';

/**
 * `taken`: the approval has had its signal. `unknown`: no step of the run will ever listen to that name. `too_many`: as
 * many signals as are kept wait for their steps.
 */
export type SignalVerdict = 'welcome' | 'ended' | 'taken' | 'unknown' | 'too_many';

const KEPT_MAX = 1_000;

/**
 * Whether the run has a use for a signal of this name, now or later. A name is that of an event, the id of an approval,
 * or, for one of several in a map or a loop, its step's key ('fan[3]/ok').
 */
export function canSignal(run: RunView, name: string): SignalVerdict {
  if (isFinal(run.facts.status)) return 'ended';
  const listeners = [...run.plan.steps.values()].filter((planned) => isCalled(planned, name));
  if (listeners.length === 0) return 'unknown';
  if (listeners.every((planned) => hasHadIts(run, planned, name))) return 'taken';
  return run.kept.length >= KEPT_MAX ? 'too_many' : 'welcome';
}

function isCalled({ path, step }: PlannedStep, name: string): boolean {
  if (step.type === 'approve') return step.id === name || path === withoutIndexes(name);
  if (step.type !== 'wait_event') return false;
  return step.name === name || step.name.includes('${{') || path === withoutIndexes(name);
}

/** Of an approval that there is once, or that is named by its key: whether it has ended, or a signal waits for it. */
function hasHadIts(run: RunView, planned: PlannedStep, name: string): boolean {
  const key = name === planned.step.id ? planned.path : name;
  if (planned.step.type !== 'approve' || (key === planned.path && isRepeated(run, planned))) return false;
  const status = run.step(key)?.status;
  return (status !== undefined && isEnded(status)) || run.kept.some((kept) => kept.name === name);
}

function isRepeated(run: RunView, { container }: PlannedStep): boolean {
  const around = container === null ? undefined : run.plan.steps.get(container);
  if (!around) return false;
  return around.step.type === 'map' || around.step.type === 'loop' || isRepeated(run, around);
}
