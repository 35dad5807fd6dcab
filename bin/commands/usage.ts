import { loadConfig } from '../../core/config.ts';
import { withApi } from '../api-access.ts';
import { type Command, parseOptions } from '../command.ts';

interface UsageLine {
  requests: number;
  failed_requests: number;
  input_tokens: number;
  output_tokens: number;
  cost: number;
  unpriced_tokens: number;
}

interface Usage {
  by: 'model' | 'key' | 'tag';
  since: string;
  until: string;
  data: (UsageLine & { model?: string | null; key?: string | null; tag?: string | null })[];
  total: UsageLine;
}

export const usage: Command = {
  name: 'usage',
  summary: 'Shows calls, tokens and cost by model, key or tag, from the prices in citadel.yaml',
  options: [
    { usage: '--by model|key|tag', description: 'what to sum by [model]' },
    { usage: '--since <time>', description: 'such as 2027-01-31T00:00:00Z [30 days before --until]' },
    { usage: '--until <time>', description: 'up to then [now]' },
    { usage: '--json', description: 'prints JSON, as the API answers' },
  ],
  async run(args) {
    const { json, ...query } = parseOptions('usage', args, {
      by: { type: 'string' },
      since: { type: 'string' },
      until: { type: 'string' },
      json: { type: 'boolean' },
    });
    const report = await withApi(loadConfig(), (api) => api.get<Usage>('/api/v1/usage', query));
    if (json) return console.log(JSON.stringify(report, null, 2));
    console.log(`${report.since} to ${report.until}`);
    console.table([
      ...report.data.map((line) => toRow(line[report.by] ?? '(none)', line)),
      toRow('total', report.total),
    ]);
    if (report.total.unpriced_tokens > 0) {
      console.log('Models without a price (unpriced) cost nothing here: see prices in citadel.yaml.');
    }
  },
};

function toRow(name: string, line: UsageLine) {
  return {
    name,
    requests: line.requests,
    failed: line.failed_requests,
    input: line.input_tokens,
    output: line.output_tokens,
    cost: line.cost,
    unpriced: line.unpriced_tokens,
  };
}
