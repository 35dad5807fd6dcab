import type { Express, RequestHandler } from 'express';
import { optionalJsonBody } from './middleware/json-body.ts';
import { route } from './route.ts';
import {
  type DefinitionRouteDeps,
  getDefinition,
  listDefinitions,
  putDefinition,
  removeDefinition,
  validateDefinition,
} from './routes/definitions.ts';
import {
  cancelJob,
  getJob,
  type JobRouteDeps,
  jobEvents,
  listJobs,
  retryJob,
  submitJob,
} from './routes/orchestrate.ts';
import {
  createSchedule,
  getSchedule,
  listSchedules,
  removeSchedule,
  type ScheduleRouteDeps,
} from './routes/schedules.ts';
import {
  forkRun,
  getRun,
  listRuns,
  runEvents,
  runResult,
  runTimeline,
  signalRun,
  startRun,
  steerRun,
  type WorkflowRouteDeps,
} from './routes/workflows.ts';

export interface RunRouteDeps
  extends JobRouteDeps,
    WorkflowRouteDeps,
    DefinitionRouteDeps,
    ScheduleRouteDeps {
  bodyBytesMax: number;
}

/** The routes of accepted work: jobs, workflows, their definitions and schedules. */
export function addRunRoutes(app: Express, deps: RunRouteDeps, body: RequestHandler[]): void {
  const jobs = '/api/v1/orchestrate';
  route(app, jobs, { get: [listJobs(deps)], post: [...body, submitJob(deps)] });
  route(app, `${jobs}/:id`, { get: [getJob(deps)] });
  route(app, `${jobs}/:id/events`, { get: [jobEvents(deps)] });
  route(app, `${jobs}/:id/cancel`, { post: [cancelJob(deps)] });
  route(app, `${jobs}/:id/retry`, { post: [retryJob(deps)] });

  const runs = '/api/v1/workflows';
  route(app, runs, { get: [listRuns(deps)], post: [...body, startRun(deps)] });
  route(app, `${runs}/validate`, { post: [...body, validateDefinition(deps)] });
  route(app, `${runs}/definitions`, { get: [listDefinitions(deps)] });
  route(app, `${runs}/definitions/:name`, {
    get: [getDefinition(deps)],
    put: [...body, putDefinition(deps)],
    delete: [removeDefinition(deps)],
  });
  route(app, `${runs}/:id`, { get: [getRun(deps)] });
  route(app, `${runs}/:id/timeline`, { get: [runTimeline(deps)] });
  route(app, `${runs}/:id/events`, { get: [runEvents(deps)] });
  route(app, `${runs}/:id/result`, { get: [runResult(deps)] });
  for (const action of ['cancel', 'pause', 'resume', 'retry'] as const) {
    route(app, `${runs}/:id/${action}`, { post: [steerRun(deps, action)] });
  }
  route(app, `${runs}/:id/fork`, { post: [...body, forkRun(deps)] });
  const signalBody = optionalJsonBody(deps.bodyBytesMax);
  route(app, `${runs}/:id/signals/:name`, { post: [...signalBody, signalRun(deps)] });

  const schedules = '/api/v1/schedules';
  route(app, schedules, { get: [listSchedules(deps)], post: [...body, createSchedule(deps)] });
  route(app, `${schedules}/:id`, { get: [getSchedule(deps)], delete: [removeSchedule(deps)] });
}
