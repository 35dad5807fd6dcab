import { z } from 'zod';
import { NewSchedule, WorkflowFork, WorkflowStart } from '../../../core/schemas/accepted-work.ts';
import { PageQuery } from '../../list-page.ts';
import { VersionQuery } from '../../routes/definitions.ts';
import { ResultQuery, RunQuery } from '../../routes/workflows.ts';
import { Deleted, listOf } from '../answers/shared-answers.ts';
import {
  AcceptedRun,
  Definition,
  DefinitionDeleted,
  Run,
  RunResult,
  RunSummary,
  Schedule,
  Timeline,
  Validation,
} from '../answers/work-answers.ts';
import { answers, type Operation } from '../operation.ts';

const RUNS = { tag: 'Workflows', caller: 'user' } as const;
const SCHEDULES = { tag: 'Schedules', caller: 'user' } as const;
const NO_STORE = ['store_unavailable'] as const;
const STEERED = ['conflict', 'store_unavailable'] as const;

/** It is checked as a whole, by the plan. */
const WorkflowDefinition = z.looseObject({
  name: z.string().optional(),
  input: z.unknown().optional().describe('a JSON Schema'),
  steps: z.array(z.looseObject({ id: z.string(), type: z.string().optional() })),
  output: z.unknown().optional(),
  on_failure: z.array(z.looseObject({ id: z.string() })).optional(),
});

const STARTED = { 202: { description: 'The run is in the store.', schema: AcceptedRun } };
const START_ERRORS = [
  'idempotency_mismatch',
  'rate_limit_exceeded',
  'overloaded',
  'store_unavailable',
] as const;

const STEERING = {
  cancel: 'Cancels a run',
  pause: 'Lets no further step begin',
  resume: 'Lets a paused run go on; one that has used up its budget of tokens has it once more',
  retry: 'Makes the steps that have failed again',
};

const DEFINITIONS: Operation[] = [
  {
    ...RUNS,
    method: 'post',
    path: '/api/v1/workflows/validate',
    id: 'validateDefinition',
    summary: 'What is wrong with a definition, or how it would run',
    body: WorkflowDefinition,
    answers: answers('All that is wrong, or the plan.', Validation),
  },
  {
    ...RUNS,
    method: 'get',
    path: '/api/v1/workflows/definitions',
    id: 'listDefinitions',
    summary: 'Stored workflows by name, the newest version of each',
    query: PageQuery,
    answers: answers('A page of them.', listOf(Definition)),
    errors: NO_STORE,
  },
  {
    ...RUNS,
    method: 'put',
    path: '/api/v1/workflows/definitions/{name}',
    id: 'putDefinition',
    summary: 'Stores a version, unless the newest says the same',
    body: WorkflowDefinition,
    answers: answers('The version.', Definition),
    errors: STEERED,
  },
  {
    ...RUNS,
    method: 'get',
    path: '/api/v1/workflows/definitions/{name}',
    id: 'getDefinition',
    summary: 'A stored workflow',
    query: VersionQuery,
    answers: answers('The version, with its definition.', Definition),
    errors: NO_STORE,
  },
  {
    ...RUNS,
    method: 'delete',
    path: '/api/v1/workflows/definitions/{name}',
    id: 'removeDefinition',
    summary: 'Removes a workflow; runs that have begun go on',
    answers: answers('It is gone.', DefinitionDeleted),
    errors: NO_STORE,
  },
];

const ONE_RUN: Operation[] = [
  {
    ...RUNS,
    method: 'get',
    path: '/api/v1/workflows/{id}',
    id: 'getRun',
    summary: 'One run, with its steps and output',
    answers: answers('The run.', Run),
    errors: NO_STORE,
  },
  {
    ...RUNS,
    method: 'get',
    path: '/api/v1/workflows/{id}/timeline',
    id: 'getRunTimeline',
    summary: 'Every attempt of every step, with the servers that it called and why',
    answers: answers('From the first to the last.', Timeline),
    errors: NO_STORE,
  },
  {
    ...RUNS,
    method: 'get',
    path: '/api/v1/workflows/{id}/events',
    id: 'followRun',
    summary: "A run's events as they happen, and what its models say",
    isEventStream: true,
    answers: { 200: { description: 'Server-sent events.', media: 'text/event-stream' } },
    errors: NO_STORE,
  },
  {
    ...RUNS,
    method: 'get',
    path: '/api/v1/workflows/{id}/result',
    id: 'getRunResult',
    summary: 'What came of a run',
    query: ResultQuery,
    answers: {
      200: { description: 'It has ended.', schema: RunResult },
      202: { description: 'It has not ended within `wait_ms`.', schema: RunResult },
    },
    errors: NO_STORE,
  },
  ...Object.entries(STEERING).map(
    ([action, summary]): Operation => ({
      ...RUNS,
      method: 'post',
      path: `/api/v1/workflows/{id}/${action}`,
      id: `${action}Run`,
      summary,
      answers: answers('The run.', RunSummary),
      errors: STEERED,
    }),
  ),
  {
    ...RUNS,
    method: 'post',
    path: '/api/v1/workflows/{id}/fork',
    id: 'forkRun',
    summary: 'A new run that takes over what its changes leave as it was',
    isIdempotent: true,
    body: WorkflowFork,
    answers: STARTED,
    errors: [...START_ERRORS, 'conflict'],
  },
  {
    ...RUNS,
    method: 'post',
    path: '/api/v1/workflows/{id}/signals/{name}',
    id: 'signalRun',
    summary: "An approval's answer, or an event, with any JSON as its body",
    body: z.unknown(),
    hasOptionalBody: true,
    answers: answers('The run.', RunSummary),
    errors: STEERED,
  },
];

const TIMED: Operation[] = [
  {
    ...SCHEDULES,
    method: 'post',
    path: '/api/v1/schedules',
    id: 'createSchedule',
    summary: 'Starts a stored workflow by cron, or every so often',
    isIdempotent: true,
    body: NewSchedule,
    answers: { 201: { description: 'The schedule.', schema: Schedule } },
    errors: ['idempotency_mismatch', 'not_found', 'store_unavailable'],
  },
  {
    ...SCHEDULES,
    method: 'get',
    path: '/api/v1/schedules',
    id: 'listSchedules',
    summary: 'Schedules, newest first',
    query: PageQuery,
    answers: answers('A page of them.', listOf(Schedule)),
    errors: NO_STORE,
  },
  {
    ...SCHEDULES,
    method: 'get',
    path: '/api/v1/schedules/{id}',
    id: 'getSchedule',
    summary: 'One schedule',
    answers: answers('The schedule.', Schedule),
    errors: NO_STORE,
  },
  {
    ...SCHEDULES,
    method: 'delete',
    path: '/api/v1/schedules/{id}',
    id: 'removeSchedule',
    summary: 'Ends a schedule; runs that it has started go on',
    answers: answers('It is gone.', Deleted),
    errors: NO_STORE,
  },
];

export const WORKFLOW_OPERATIONS: Operation[] = [
  {
    ...RUNS,
    method: 'post',
    path: '/api/v1/workflows',
    id: 'startRun',
    summary: 'Starts a workflow: a stored one, or one that comes along',
    isIdempotent: true,
    body: WorkflowStart,
    answers: STARTED,
    errors: [...START_ERRORS, 'not_found'],
  },
  {
    ...RUNS,
    method: 'get',
    path: '/api/v1/workflows',
    id: 'listRuns',
    summary: 'Runs, newest first',
    query: PageQuery.extend(RunQuery.shape),
    answers: answers('A page of them.', listOf(RunSummary)),
    errors: NO_STORE,
  },
  ...DEFINITIONS,
  ...ONE_RUN,
  ...TIMED,
];
