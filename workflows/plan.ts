// A definition, checked and made ready to run.
// P1: a plan depends on its definition alone; the same definition gives the same plan and hash.
// P2: `after` names every sibling that a step waits for: those that it names, those that it or a step inside it reads,
//     and, in a body without `after` of its own, the one before it. It has no cycles.
// P3: at the top of a definition steps without `after` run at once; bodies (of branch, map, loop, parallel and
//     on_failure) are sequences. The output of a body is that of the last step of its list.
import { createHash } from 'node:crypto';
import { AppError } from '../core/errors.ts';
import { canonicalJson } from './canonical-json.ts';
import type { Compiled } from './cel.ts';
import { WorkflowDefinition } from './definition.ts';
import { normaliseDefinition } from './older-shape.ts';
import { planSteps } from './plan-steps.ts';
import type { Problem } from './problem.ts';
import { salvageDefinition } from './salvage.ts';
import { toProblems } from './shape-problems.ts';
import { findSizeProblem } from './size-guard.ts';
import type { Step } from './step.ts';
import type { CompiledTemplate } from './template.ts';

/** A step's place in its definition: 'draft', 'fan/summarise', 'pick/0/x', 'pick/else/x', 'par/left/x',
 *  'pay~compensate', 'on_failure/x'. */
type StepPath = string;

export interface PlannedStep {
  path: StepPath;
  step: Step;
  /** The step in whose body it stands. */
  container: StepPath | null;
  /** Siblings that it waits for. */
  after: StepPath[];
  /** Of its list: its output is that of the list. */
  isLast: boolean;
  compiled: {
    when?: Compiled;
    /** The fields that belong to the step's type, except those of a container, evaluated when it starts. */
    fields: CompiledTemplate;
    /** A loop's; `loop` is the turn that has just ended. */
    until?: Compiled;
    /** A map's. */
    over?: CompiledTemplate;
    /** A branch's conditions. */
    cases?: Compiled[];
    cacheKey?: CompiledTemplate;
  };
}

export interface Plan {
  definition: WorkflowDefinition;
  /** SHA-256 of the definition's canonical JSON, in hexadecimal digits. */
  hash: string;
  /** In the order of the definition; on_failure's come last. */
  steps: Map<StepPath, PlannedStep>;
  output?: CompiledTemplate;
  /** On `input` alone. */
  concurrencyKey?: CompiledTemplate;
}

export type Planning = { valid: true; plan: Plan } | { valid: false; errors: Problem[] };

const PROBLEMS_MAX = 100;

/** Plans a definition in its present or its older shape. What is wrong comes all at once, with JSON paths. */
export function planDefinition(json: unknown): Planning {
  const tooLarge = findSizeProblem(json);
  if (tooLarge) return { valid: false, errors: [tooLarge] };
  const normal = normaliseDefinition(json);
  const parsed = WorkflowDefinition.safeParse(normal);
  if (!parsed.success) {
    // What can be read is checked as well, so that a wrong field does not hide a wrong expression.
    const readable = salvageDefinition(normal, parsed.error);
    const further = readable ? planSteps(readable).problems : [];
    return { valid: false, errors: [...toProblems(parsed.error, normal), ...further].slice(0, PROBLEMS_MAX) };
  }
  const { steps, output, concurrencyKey, problems } = planSteps(parsed.data);
  if (problems.length > 0) return { valid: false, errors: problems.slice(0, PROBLEMS_MAX) };
  const hash = hashDefinition(parsed.data);
  return { valid: true, plan: { definition: parsed.data, hash, steps, output, concurrencyKey } };
}

/** The plan of a definition that has been planned before. Throws AppError `invalid_request` when it is not valid. */
export function compilePlan(definition: WorkflowDefinition): Plan {
  const planning = planDefinition(definition);
  if (planning.valid) return planning.plan;
  const [first] = planning.errors;
  throw new AppError('invalid_request', `The definition is not valid: ${first?.path} ${first?.message}`, {
    param: first?.path ?? null,
  });
}

/** The same for the same definition in its normal form, whatever the order of its members. */
function hashDefinition(definition: WorkflowDefinition): string {
  return createHash('sha256').update(canonicalJson(definition)).digest('hex');
}
