import type { Json } from '../sdk/records.ts';
import type { Definition } from '../sdk/workflow.ts';
import type { RandomSource } from './random-source.ts';
import type { Env, Term } from './terms.ts';

export type StepJson = Definition['steps'][number];

/** A step, twice: as a definition has it, and as what it must come to. */
export interface RandomStep {
  json: StepJson;
  /** Its output. Notes in the record what it asks of others. */
  perform(env: Env): Json;
  /** A number that later steps may take of its output. */
  term: Term;
}

/** Where a step is made. */
export interface Place {
  random: RandomSource;
  /** A name that no other step of the workflow has. */
  newId(): string;
  /** What it may read. */
  terms: readonly Term[];
  /** What tells its repetitions, of a map or loop around it, from one another. */
  repetitions: readonly Term[];
  /** How deep it stands: 0 at the top. */
  depth: number;
  holdsMap: boolean;
  holdsLoop: boolean;
  /** Where http steps are sent to. */
  receiverUrl: string;
}
