import { parser } from '@prometheus-io/lezer-promql';

/** A series that an expression asks for, with the labels that it is asked for by. */
interface Selector {
  metric: string;
  labels: string[];
}

/** What an expression of PromQL reads. Throws where Prometheus would not take it. */
export function parsePromql(expression: string): Selector[] {
  const text = expression.replaceAll('$__rate_interval', '5m');
  const selectors: Selector[] = [];
  const grouping: string[] = [];
  let inGrouping = false;
  parser.parse(text).iterate({
    enter({ name, from, to, type }) {
      if (type.isError)
        throw new Error(`not PromQL, from ${JSON.stringify(text.slice(from))} on: ${expression}`);
      if (name === 'GroupingLabels') inGrouping = true;
      if (name === 'LabelMatchers') inGrouping = false;
      if (name === 'Identifier') selectors.push({ metric: text.slice(from, to), labels: [] });
      if (name !== 'LabelName') return;
      const label = text.slice(from, to);
      if (inGrouping) grouping.push(label);
      else selectors.at(-1)?.labels.push(label);
    },
  });
  return selectors.map(({ metric, labels }) => ({ metric, labels: [...labels, ...grouping] }));
}
