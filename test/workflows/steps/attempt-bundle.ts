import type { RunId } from '../../../core/ids.ts';
import type { StepAttempt } from '../../../workflows/step-executor.ts';

/** An attempt of a step with these fields, and what it says. */
export function attemptOf(step: object, fields: StepAttempt['fields'], rest: Partial<StepAttempt> = {}) {
  const said: { part: number; text: string }[] = [];
  const attempt: StepAttempt = {
    runId: 'run_1' as RunId,
    key: 'a',
    attempt: 1,
    step: { id: 'a', ...step } as StepAttempt['step'],
    fields,
    cacheKey: undefined,
    inputText: '{}',
    keyName: 'one',
    weight: 1,
    priority: 'normal',
    idempotencyKey: 'run_1/a',
    say: (part, text) => said.push({ part, text }),
    ...rest,
  };
  return { attempt, said };
}

export const NEVER = new AbortController().signal;
