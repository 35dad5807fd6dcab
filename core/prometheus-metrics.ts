import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Metrics, MetricsPage } from './metrics.ts';
import { withinLimit } from './time-limit.ts';

export interface PrometheusMetrics extends Metrics {
  readonly page: MetricsPage;
}

const GAUGE_LIMIT_MS = 1_000;
// prom-client's 10 ms would be most of what an idle process costs: 0.4 % of a core, against 0.1. The lag that is shown counts
// from here: 0.05 s is none.
const LOOP_LOOK_MS = 50;

/** Metrics of this process, its own memory, CPU time, garbage collection and event loop among them. */
export function createPrometheusMetrics(): PrometheusMetrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: LOOP_LOOK_MS });
  let reading: Promise<string> | undefined;

  return {
    counter({ labels, ...metric }) {
      const counter = new Counter({ ...metric, labelNames: labels, registers });
      return { add: (values, amount = 1) => counter.inc(values, amount) };
    },
    histogram({ labels, buckets, ...metric }) {
      const histogram = new Histogram({ ...metric, labelNames: labels, buckets: [...buckets], registers });
      return { observe: (values, value) => histogram.observe(values, value) };
    },
    tally({ name, help, buckets }) {
      const tally = createTally(name, buckets);
      const get = async () => ({ name, help, type: 'histogram', aggregator: 'sum', values: tally.values() });
      // prom-client's own histograms take one value at a time; of a metric its registry asks no more than this.
      registry.registerMetric({ name, get } as unknown as Histogram);
      return { add: tally.add };
    },
    gauge({ labels, ...metric }, read) {
      new Gauge({
        ...metric,
        labelNames: labels,
        registers,
        async collect() {
          const readings = await readWithin(read);
          this.reset();
          for (const { labels: values, value } of readings) this.set(values, value);
        },
      });
    },
    page: {
      contentType: registry.contentType,
      read() {
        reading ??= registry.metrics().finally(() => {
          reading = undefined;
        });
        return reading;
      },
    },
  };
}

function createTally(name: string, buckets: readonly number[]) {
  const series = new Map<string, { labels: object; counts: number[]; sum: number }>();
  return {
    add(labels: Readonly<Record<string, string>>, counts: readonly number[], sum: number): void {
      const key = JSON.stringify(labels);
      let one = series.get(key);
      if (!one) {
        one = { labels, counts: new Array<number>(buckets.length + 1).fill(0), sum: 0 };
        series.set(key, one);
      }
      for (const [index, count] of counts.entries()) one.counts[index] = (one.counts[index] ?? 0) + count;
      one.sum += sum;
    },
    values() {
      return Array.from(series.values(), ({ labels, counts, sum }) => {
        let total = 0;
        const bounded = [...buckets, '+Inf'].map((le, index) => {
          total += counts[index] ?? 0;
          return { metricName: `${name}_bucket`, labels: { le, ...labels }, value: total };
        });
        return [
          ...bounded,
          { metricName: `${name}_sum`, labels, value: sum },
          { metricName: `${name}_count`, labels, value: total },
        ];
      }).flat();
    },
  };
}

async function readWithin<T>(read: () => Iterable<T> | Promise<Iterable<T>>): Promise<Iterable<T>> {
  try {
    return await withinLimit(Promise.resolve(read()), GAUGE_LIMIT_MS, 'a gauge was not read');
  } catch {
    return [];
  }
}
