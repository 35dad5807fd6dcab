interface Sample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

/** A page in Prometheus's text format, read. */
export interface PrometheusText {
  /** By name, with `counter`, `gauge` or `histogram`. */
  types: Map<string, string>;
  samples: Sample[];
  /** The sum of the samples of this name whose labels are among others these; null where there is none. */
  value(name: string, labels?: Record<string, string>): number | null;
}

const SAMPLE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/y;

/** Throws on a line that Prometheus would not take. */
export function parsePrometheusText(text: string): PrometheusText {
  const types = new Map<string, string>();
  const samples: Sample[] = [];
  for (const line of text.split('\n')) {
    const [, name = '', type = ''] = /^# TYPE (\S+) (\S+)$/.exec(line) ?? [];
    if (name !== '') types.set(name, type);
    if (line === '' || line.startsWith('#')) continue;
    samples.push(parseSample(line));
  }
  return {
    types,
    samples,
    value(name, labels = {}) {
      const found = samples.filter(
        (sample) =>
          sample.name === name &&
          Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
      );
      return found.length === 0 ? null : found.reduce((sum, { value }) => sum + value, 0);
    },
  };
}

function parseSample(line: string): Sample {
  const [, name = '', inner = '', text = ''] = SAMPLE.exec(line) ?? [];
  const value = text === '+Inf' ? Number.POSITIVE_INFINITY : text === 'Nan' ? Number.NaN : Number(text);
  if (name === '' || (Number.isNaN(value) && text !== 'Nan')) throw new Error(`not a sample: ${line}`);
  return { name, labels: parseLabels(inner, line), value };
}

function parseLabels(inner: string, line: string): Record<string, string> {
  const labels: Record<string, string> = {};
  LABEL.lastIndex = 0;
  for (let at = 0; at < inner.length; at = LABEL.lastIndex) {
    const [, name = '', value = ''] = LABEL.exec(inner) ?? [];
    if (name === '') throw new Error(`not labels: ${line}`);
    labels[name] = value.replace(/\\(.)/g, (_, letter) => (letter === 'n' ? '\n' : letter));
  }
  return labels;
}
