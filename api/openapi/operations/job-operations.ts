import { OrchestrateRequest } from '../../../core/schemas/accepted-work.ts';
import { PageQuery } from '../../list-page.ts';
import { JobQuery } from '../../routes/orchestrate.ts';
import { listOf } from '../answers/shared-answers.ts';
import { AcceptedJob, Job, JobSummary } from '../answers/work-answers.ts';
import { answers, type Operation } from '../operation.ts';

const JOBS = { tag: 'Jobs', caller: 'user' } as const;

export const JOB_OPERATIONS: Operation[] = [
  {
    ...JOBS,
    method: 'post',
    path: '/api/v1/orchestrate',
    id: 'submitJob',
    summary: 'Any model request, or a workflow, as a job with an id',
    isIdempotent: true,
    body: OrchestrateRequest,
    answers: { 202: { description: 'The job is in the store.', schema: AcceptedJob } },
    errors: [
      'model_not_found',
      'idempotency_mismatch',
      'rate_limit_exceeded',
      'overloaded',
      'store_unavailable',
    ],
  },
  {
    ...JOBS,
    method: 'get',
    path: '/api/v1/orchestrate',
    id: 'listJobs',
    summary: 'Accepted jobs, and calls that have ended, newest first',
    query: PageQuery.extend(JobQuery.shape),
    answers: answers('A page of them.', listOf(JobSummary)),
    errors: ['forbidden', 'store_unavailable'],
  },
  {
    ...JOBS,
    method: 'get',
    path: '/api/v1/orchestrate/{id}',
    id: 'getJob',
    summary: 'One job, with its result and timeline',
    answers: answers('The job.', Job),
    errors: ['store_unavailable'],
  },
  {
    ...JOBS,
    method: 'get',
    path: '/api/v1/orchestrate/{id}/events',
    id: 'followJob',
    summary: "A job's events as they happen",
    isEventStream: true,
    answers: { 200: { description: 'Server-sent events.', media: 'text/event-stream' } },
    errors: ['conflict', 'store_unavailable'],
  },
  {
    ...JOBS,
    method: 'post',
    path: '/api/v1/orchestrate/{id}/cancel',
    id: 'cancelJob',
    summary: 'Cancels a job',
    answers: answers('The job.', JobSummary),
    errors: ['conflict', 'store_unavailable'],
  },
  {
    ...JOBS,
    method: 'post',
    path: '/api/v1/orchestrate/{id}/retry',
    id: 'retryJob',
    summary: 'Makes a job that has failed again',
    answers: answers('The job.', JobSummary),
    errors: ['conflict', 'store_unavailable'],
  },
];
