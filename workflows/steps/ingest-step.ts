import { setTimeout as pause } from 'node:timers/promises';
import type { Json } from '../../core/json-value.ts';
import type { StepAttempt, StepExecutor } from '../step-executor.ts';

/** Takes documents into collections, for runs. */
export interface Intake {
  /** Begins, or finds what an earlier attempt has begun; gives the job's id. Throws AppError. */
  begin(
    fields: { [name: string]: Json },
    asked: Pick<StepAttempt, 'keyName' | 'weight' | 'idempotencyKey'>,
  ): Promise<string>;
  /** `{file_counts, items}`; null while it goes on. */
  result(id: string): Promise<Json>;
}

const LOOK_EVERY_MS = 250;

/** Steps of type `ingest`. What an attempt has begun goes on when it is over; the next one waits for the same. */
export function createIngestStep(intake: Intake): StepExecutor {
  return async ({ fields, keyName, weight, idempotencyKey }, signal) => {
    const id = await intake.begin(fields, { keyName, weight, idempotencyKey });
    for (;;) {
      const output = await intake.result(id);
      if (output !== null) return { status: 'succeeded', output, tokens: 0, facts: { ingest: id } };
      await pause(LOOK_EVERY_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
    }
  };
}
