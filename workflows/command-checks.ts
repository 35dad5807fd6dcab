// What callers may ask of a run in its state. Each throws AppError `conflict` or `not_found`.
import { AppError } from '../core/errors.ts';
import type { KnownRun } from './known-runs.ts';
import { isEnded } from './run-record.ts';
import { canSignal } from './signal-verdict.ts';

export function refuseCancel({ model: { facts } }: KnownRun): void {
  if (facts.status !== 'cancelled') refuseEnded({ model: { facts } });
}

export function refuseEnded({ model: { facts } }: { model: Pick<KnownRun['model'], 'facts'> }): void {
  if (isEnded(facts.status)) throw new AppError('conflict', `The run has ended: it has ${facts.status}.`);
}

export function refuseRetry({ model: { facts } }: KnownRun): void {
  if (facts.status === 'failed' || facts.status === 'cancelled') return;
  throw new AppError(
    'conflict',
    `Only what has failed or was cancelled can be retried: this is ${facts.status}.`,
  );
}

export function refuseSignal({ model }: KnownRun, name: string): void {
  const verdict = canSignal(model, name);
  if (verdict === 'welcome') return;
  if (verdict === 'unknown')
    throw new AppError('not_found', `No step of this run waits for a signal \`${name}\`.`);
  const reasons = {
    ended: 'The run has ended.',
    taken: `The step \`${name}\` has had its signal.`,
    too_many: 'Too many signals wait for steps of this run.',
  };
  throw new AppError('conflict', reasons[verdict]);
}
