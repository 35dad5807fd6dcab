import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { openTracing } from '../../bin/tracing-side.ts';
import { loadConfig } from '../../core/config.ts';
import { createLifecycle } from '../../core/lifecycle.ts';
import { createLogger } from '../../core/logger.ts';

const asked: (string | undefined)[] = [];
const server = createServer((req, res) => {
  asked.push(req.url);
  req.resume().on('end', () => res.end('{}'));
});
let url: string;

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => void server.close());

/** Makes one span with this environment; whether it was on, and where the collector was asked. */
async function traceOnce(env: Record<string, string>) {
  asked.length = 0;
  const life = createLifecycle();
  const logger = createLogger({ level: 'silent' });
  const tracing = await openTracing({ config: loadConfig({ env, cwd: '/' }), life, logger });
  tracing.start('one', { kind: 'internal', parent: undefined }).end();
  await life.close();
  return { isOn: tracing.isOn, asked: [...asked] };
}

const OFF = { isOn: false, asked: [] };
const on = (path: string) => ({ isOn: true, asked: [path] });

test('without a collector there are no traces', async () => {
  expect(await traceOnce({})).toEqual(OFF);
});

test.each([
  ['CITADEL_TRACING_ENDPOINT', '/v1/traces'],
  ['OTEL_EXPORTER_OTLP_ENDPOINT', '/v1/traces'],
])('%s names it by its base, and spans leave before the end', async (name, path) => {
  expect(await traceOnce({ [name]: url })).toEqual(on(path));
  expect(await traceOnce({ [name]: `${url}/team/` })).toEqual(on(`/team${path}`));
});

test('OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is the whole URL, and comes before the base', async () => {
  const env = { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${url}/here`, OTEL_EXPORTER_OTLP_ENDPOINT: url };

  expect(await traceOnce(env)).toEqual(on('/here'));
});

test.each<Record<string, string>>([{ OTEL_SDK_DISABLED: 'true' }, { OTEL_TRACES_EXPORTER: 'none' }])(
  '%j turns traces off, whatever else is set',
  async (env) => {
    expect(await traceOnce({ OTEL_EXPORTER_OTLP_ENDPOINT: url, ...env })).toEqual(OFF);
  },
);

test('OTEL_TRACES_SAMPLER says which traces are taken', async () => {
  const sampled = { OTEL_EXPORTER_OTLP_ENDPOINT: url };
  const none = { isOn: true, asked: [] };

  expect(await traceOnce({ ...sampled, OTEL_TRACES_SAMPLER: 'always_off' })).toEqual(none);
  expect(
    await traceOnce({
      ...sampled,
      OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
      OTEL_TRACES_SAMPLER_ARG: '0',
    }),
  ).toEqual(none);
  expect(() => loadConfig({ env: { OTEL_TRACES_SAMPLER: 'sometimes' }, cwd: '/' })).toThrow(
    'OTEL_TRACES_SAMPLER',
  );
});
