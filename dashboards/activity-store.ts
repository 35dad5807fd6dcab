/** What ended in a stretch of time. */
interface ActivityRates {
  seconds: number;
  /** By model class; those with nothing are not in it. */
  classes: { name: string; requests: number; failed: number; tokens: number }[];
}

/** One stretch of the last minutes. */
interface ActivityBucket {
  /** When it begins (unix seconds). */
  at: number;
  requests: number;
  failed: number;
  tokens: number;
}

/** How the calls of one server went in the last ten minutes. */
export interface ServerActivity {
  server: string;
  requests: number;
  failed: number;
  /** Of those that succeeded, from arrival to end; null where none did. */
  p50Ms: number | null;
  p99Ms: number | null;
  /** The newest first, three at most. */
  lastFailures: { at: Date; model: string; code: string | null }[];
}

/** The ledger, summed up: requests that have ended, of those that took less than two minutes. */
export interface ActivityStore {
  /** The last minute. */
  rates(): Promise<ActivityRates>;
  /** The last five minutes, by five seconds; stretches without a request are left out. */
  history(): Promise<ActivityBucket[]>;
  servers(): Promise<ServerActivity[]>;
}
