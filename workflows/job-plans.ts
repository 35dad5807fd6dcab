// The plans of jobs: a job is a run with one step, so that it is taken, retried, cancelled and told of as any run is.
import { AppError } from '../core/errors.ts';
import { type Plan, planDefinition } from './plan.ts';
import type { Step } from './step.ts';

/** A model server that fails for a while costs a job time and not its life. */
const RETRY = {
  max: 2,
  backoff: 'exponential',
  delay: '1s',
  on: ['transient', 'timeout'],
} satisfies Step['retry'];

const EMPTY = { evaluate: () => ({}), references: [] };

/** One call of a model. Its input is `{ endpoint, body }`, the body as the caller's own text. */
export const CALL_PLAN: Plan = createCallPlan();

/** One workflow, behind the id of a job. Its input is `{ workflow, input }`. */
export const WORKFLOW_JOB_PLAN: Plan = createWorkflowPlan();

export const JOB_PLANS: readonly Plan[] = [CALL_PLAN, WORKFLOW_JOB_PLAN];

function createCallPlan(): Plan {
  const step = { id: 'call', type: 'call', retry: RETRY } as const;
  return {
    definition: { name: 'call', steps: [step] },
    hash: 'job:call',
    steps: new Map([
      ['call', { path: 'call', step, container: null, after: [], isLast: true, compiled: { fields: EMPTY } }],
    ]),
  };
}

function createWorkflowPlan(): Plan {
  const step = {
    id: 'run',
    type: 'workflow',
    workflow: '${{ input.workflow }}',
    input: '${{ input.input }}',
  };
  const planning = planDefinition({ name: 'workflow', steps: [step] });
  if (!planning.valid) throw new AppError('internal', 'The plan of workflow jobs is wrong.');
  return { ...planning.plan, hash: 'job:workflow' };
}
