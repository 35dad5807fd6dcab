/** How long what is over is kept, in days; 0: for good. */
export interface RetentionDays {
  /** Runs and jobs, from their end, with their steps, attempts and signals. */
  runs: number;
  /** The events of such. */
  events: number;
  /** Rows of the ledger; the sums of budgets are kept as long as a budget needs them. */
  ledger: number;
}

/** Deletes what is old, a batch at a time. Throws AppError `store_unavailable` when the database is away. */
export interface RetentionStore {
  /** Each gives how many rows of its kind were taken; a number below `max` says that there is no more now. Of a run that has not
   *  ended, that has a child which has not, whose parent is there, whose idempotency key is in force or whose webhook is to
   *  be sent, nothing is taken. */
  runs(days: number, max: number): Promise<number>;
  events(days: number, max: number): Promise<number>;
  ledger(days: number, max: number): Promise<number>;
  /** Idempotency keys that are not in force any more, and outputs of steps that have expired. */
  expired(max: number): Promise<number>;
}
