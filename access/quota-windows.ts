/** So many units in each window of so long. A window begins with the first unit that is taken in it. */
export interface Quota {
  units: number;
  windowMs: number;
}

export interface QuotaTaken {
  /** Units that were given, at most as many as were asked for. */
  granted: number;
  /** Units that are left in the window. */
  left: number;
  /** Until the window ends. */
  resetMs: number;
}

/** Quotas that all processes share. Each throws AppError `store_unavailable`. */
export interface QuotaWindows {
  /** Takes up to `units` of the quota `name`. What is not granted is not used up. */
  take(name: string, quota: Quota, units: number): Promise<QuotaTaken>;
  /** Takes `units`, also beyond the quota: they were used already. */
  charge(name: string, quota: Quota, units: number): Promise<void>;
  /** Gives units back that were taken in the window of now. */
  giveBack(name: string, quota: Quota, units: number): Promise<void>;
}
