import type { Json } from '../../core/json-value.ts';
import type { StepAttempt, StepExecutor } from '../step-executor.ts';

/** Searches collections of documents, for runs. */
export interface Retrieval {
  /** `fields` as the body of a search; gives its answer. Throws AppError as a search does. */
  retrieve(
    fields: { [name: string]: Json },
    asked: Pick<StepAttempt, 'keyName' | 'weight'>,
    signal: AbortSignal,
  ): Promise<Json>;
}

/** Steps of type `retrieve`. */
export function createRetrieveStep(retrieval: Retrieval): StepExecutor {
  return async ({ fields, ...asked }, signal) => {
    const output = await retrieval.retrieve(fields, asked, signal);
    return { status: 'succeeded', output, tokens: 0, facts: {} };
  };
}
