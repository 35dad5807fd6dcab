/** Labels of one series. Each must be of a small, known set: never a key, a prompt, an id or a raw path. */
type Labels<L extends string> = Readonly<Record<L, string>>;

interface Counter<L extends string> {
  add(labels: Labels<L>, amount?: number): void;
}

interface Histogram<L extends string> {
  observe(labels: Labels<L>, value: number): void;
}

interface Tally<L extends string> {
  /** `counts`: by bucket, and one more for what is above them all. */
  add(labels: Labels<L>, counts: readonly number[], sum: number): void;
}

interface Reading<L extends string> {
  labels: Labels<L>;
  value: number;
}

interface MetricName<L extends string> {
  /** With its unit last: `citadel_queue_wait_seconds`, `citadel_tokens_total`. */
  name: string;
  help: string;
  labels: readonly L[];
}

/** What a process counts and measures. Rooms are handed it, and make their own metrics from it once, at start. */
export interface Metrics {
  counter<const L extends string>(metric: MetricName<L>): Counter<L>;
  /** `buckets`: upper bounds, rising. */
  histogram<const L extends string>(metric: MetricName<L> & { buckets: readonly number[] }): Histogram<L>;
  /** A histogram of what was counted elsewhere. */
  tally<const L extends string>(metric: MetricName<L> & { buckets: readonly number[] }): Tally<L>;
  /** Read whenever somebody looks: what `read` gives is all there is. One that throws, or takes longer than a second, has
   *  no series at that look. */
  gauge<const L extends string>(
    metric: MetricName<L>,
    read: () => Iterable<Reading<L>> | Promise<Iterable<Reading<L>>>,
  ): void;
}

/** Everything that is measured, as Prometheus reads it. */
export interface MetricsPage {
  readonly contentType: string;
  /** Resolves within little more than a second, whatever is out of reach. Who asks while it is being read gets the
   *  same. */
  read(): Promise<string>;
}

/** For a process that nobody can look into. */
export const NO_METRICS: Metrics = {
  counter: () => ({ add() {} }),
  histogram: () => ({ observe() {} }),
  tally: () => ({ add() {} }),
  gauge() {},
};

/** For what takes from a moment to a few minutes, in seconds. */
export const SECONDS_BUCKETS = [
  0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300,
] as const;

/** For what takes less than that. */
export const SHORT_SECONDS_BUCKETS = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
] as const;
