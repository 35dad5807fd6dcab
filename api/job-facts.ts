import { z } from 'zod';
import type { Json } from '../core/json-value.ts';
import { MODEL_CLASSES } from '../core/schemas/model-class.ts';
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

/** What the packed facts of every job of this model begin with. */
export const factBeginnings = (model: string): string[] =>
  [...MODEL_CLASSES, null].map((name) => `${JSON.stringify({ class: name, model }).slice(0, -1)},`);

const NONE: JobFacts = { class: null, model: null, position: null, metadata: null };

export const packJobFacts = ({ class: name, model, position, metadata }: JobFacts): Json =>
  ({ class: name, model, position, metadata }) as unknown as Json;

export function jobFactsOf({ metadata }: RunSummary): JobFacts {
  return JobFacts.catch(NONE).parse(metadata);
}
