import { type ClientOptions, createConnection } from './connection.ts';
import { createDefinitions, type Definitions } from './definitions.ts';
import { createJobs, type Jobs } from './jobs.ts';
import { createRuns, type Runs } from './runs.ts';
import { createSchedules, type Schedules } from './schedules.ts';

/** Citadel's accepted work from a program. Whatever goes wrong is a CitadelError. */
export interface Client {
  runs: Runs;
  jobs: Jobs;
  definitions: Definitions;
  schedules: Schedules;
}

export function createClient(options: ClientOptions = {}): Client {
  const connection = createConnection(options);
  return {
    runs: createRuns(connection),
    jobs: createJobs(connection),
    definitions: createDefinitions(connection),
    schedules: createSchedules(connection),
  };
}
