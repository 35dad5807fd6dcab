import { z } from 'zod';
import type { Json } from '../core/json-value.ts';
import type { RunSummary } from '../workflows/run-record.ts';

/** What is kept with a job beside what its run is: a job's run has this as its metadata. */
const JobFacts = z.object({
  /** Its model's class, or `workflow`. */
  class: z.string().nullable().catch(null),
  model: z.string().nullable().catch(null),
  /** Its place in this class's line when it was accepted. */
  position: z.number().nullable().catch(null),
  /** The caller's own. */
  metadata: z.record(z.string(), z.unknown()).nullable().catch(null),
});
export type JobFacts = z.infer<typeof JobFacts>;

const NONE: JobFacts = { class: null, model: null, position: null, metadata: null };

export const packJobFacts = (facts: JobFacts): Json => facts as unknown as Json;

export function jobFactsOf({ metadata }: RunSummary): JobFacts {
  return JobFacts.catch(NONE).parse(metadata);
}
