import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { chat, startTestCitadel, type TestCitadel } from '../support/citadel.ts';
import { redisService, startRedis, type TestRedis } from '../support/redis.ts';
import { describeWith } from '../support/services.ts';
import { type SeenSpan, startTraceCollector, type TraceCollector } from '../support/trace-collector.ts';
import { waitFor } from '../support/wait-for.ts';

const MODEL = 'sim-chat';
const FAILING_ONCE = 'sim:flaky-500';
const EMBEDDER = 'sim-embed';
const PROMPT = 'what nobody but the model may read';
const START_LIMIT_MS = 120_000;
const KIND = { internal: 1, server: 2, client: 3, producer: 4, consumer: 5 } as const;

let redis: TestRedis;
let collector: TraceCollector;
let api: TestCitadel;
let worker: TestCitadel;
let traces = 0;

describeWith(redisService, 'a trace', () => {
  beforeAll(async () => {
    // What OpenTelemetry's own variables say holds.
    Object.assign(process.env, {
      OTEL_SERVICE_NAME: 'citadel-here',
      OTEL_EXPORTER_OTLP_HEADERS: 'x-team=one',
      OTEL_EXPORTER_OTLP_TIMEOUT: '1000',
    });
    [redis, collector] = await Promise.all([startRedis(), startTraceCollector()]);
    const env = { REDIS_URL: redis.url, CITADEL_TRACING_ENDPOINT: `${collector.url}/` };
    worker = await startTestCitadel({
      env,
      models: [MODEL, FAILING_ONCE, EMBEDDER],
      roles: { api: false, classes: ['lightweight', 'embedding'] },
    });
    const models = [MODEL, FAILING_ONCE, EMBEDDER];
    const server = { id: 'sim', hostname: '127.0.0.1', port: worker.model.port, models };
    api = await startTestCitadel({
      env: { ...env, CITADEL_SERVERS: JSON.stringify([server]) },
      roles: { api: true, classes: [] },
    });
  }, START_LIMIT_MS);
  afterAll(async () => {
    await Promise.all([api?.stop(), worker?.stop()]);
    await Promise.all([redis?.stop(), collector?.stop()]);
  });

  test('goes from the caller through the API, the queue and the worker to the model server', async () => {
    const caller = newCaller('01');
    const response = await send('/v1/chat/completions', chat(MODEL, PROMPT), caller);
    const { usage } = (await response.json()) as { usage: Record<string, number> };
    const spans = await spansOf(caller.traceId, 4);

    const [server, producer, consumer, client] = inOrder(spans);
    expect(server).toMatchObject({
      name: 'POST /v1/chat/completions',
      kind: KIND.server,
      parentSpanId: caller.spanId,
      service: 'citadel-here',
      isError: false,
      attributes: {
        'http.request.method': 'POST',
        'http.route': '/v1/chat/completions',
        'http.response.status_code': 200,
        'citadel.request_id': response.headers.get('x-request-id'),
        'citadel.job_id': response.headers.get('x-citadel-job-id'),
      },
    });
    const jobId = response.headers.get('x-citadel-job-id');
    expect(producer).toMatchObject({
      name: 'send lightweight',
      kind: KIND.producer,
      parentSpanId: server?.spanId,
      attributes: { 'messaging.destination.name': 'lightweight', 'messaging.message.id': jobId },
    });
    expect(consumer).toMatchObject({
      name: 'process lightweight',
      kind: KIND.consumer,
      parentSpanId: producer?.spanId,
      attributes: { 'citadel.outcome': 'done', 'messaging.message.id': jobId },
    });
    expect(client).toMatchObject({
      name: `chat ${MODEL}`,
      kind: KIND.client,
      parentSpanId: consumer?.spanId,
      events: ['first token'],
      attributes: {
        'gen_ai.operation.name': 'chat',
        'gen_ai.provider.name': 'openai',
        'gen_ai.request.model': MODEL,
        'gen_ai.response.model': MODEL,
        'gen_ai.usage.input_tokens': usage.prompt_tokens,
        'gen_ai.usage.output_tokens': usage.completion_tokens,
        'server.address': '127.0.0.1',
        'server.port': worker.model.port,
        'citadel.server': 'sim',
        'citadel.attempt': 1,
      },
    });
    expect(collector.headers[0]).toMatchObject({ 'x-team': 'one', 'content-type': 'application/json' });
    expect(headersOfLastCall()).toMatchObject({
      traceparent: `00-${caller.traceId}-${client?.spanId}-01`,
      tracestate: 'vendor=value',
    });
  });

  test('shows each attempt with what went wrong, and a stream and embeddings as what they are', async () => {
    const caller = newCaller('01');
    await (await send('/v1/chat/completions', chat(FAILING_ONCE, PROMPT, { stream: true }), caller)).text();
    await (await send('/v1/embeddings', { model: EMBEDDER, input: PROMPT }, caller)).text();
    const clients = (await spansOf(caller.traceId, 9)).filter(({ kind }) => kind === KIND.client);

    const seen = clients.map(({ name, isError, attributes }) => ({
      name,
      isError,
      error: attributes['error.type'],
      attempt: attributes['citadel.attempt'],
    }));
    expect(seen).toEqual([
      { name: `chat ${FAILING_ONCE}`, isError: true, error: '500', attempt: 1 },
      { name: `chat ${FAILING_ONCE}`, isError: false, error: undefined, attempt: 2 },
      { name: `embeddings ${EMBEDDER}`, isError: false, error: undefined, attempt: 1 },
    ]);
    expect(clients[1]?.attributes['gen_ai.usage.output_tokens']).toBeGreaterThan(0);
    expect(clients[2]?.attributes['gen_ai.response.model']).toBe(EMBEDDER);
  });

  test('holds a whole run: its steps, and what they call, in whatever process', async () => {
    const caller = newCaller('01');
    const steps = [
      { id: 'ask', type: 'chat', model: MODEL, messages: [{ role: 'user', content: PROMPT }] },
      { id: 'end', type: 'http', method: 'GET', url: 'http://10.255.255.1/', after: ['ask'] },
    ];
    const accepted = await send('/api/v1/workflows', { definition: { name: 'traced', steps } }, caller);
    const { id } = (await accepted.json()) as { id: string };
    const root = await waitFor(
      () =>
        collector.spans.find(
          ({ name, attributes }) => name === 'run workflow' && attributes['citadel.run_id'] === id,
        ),
      'the run has ended',
    );
    const spans = await spansOf(root.traceId, 6);
    const named = (name: string) => spans.find((span) => span.name === name);

    // Its caller's trace says where it goes on.
    const [request] = await spansOf(caller.traceId, 1);
    expect(request).toMatchObject({
      ...{ kind: KIND.server, parentSpanId: caller.spanId },
      attributes: { 'citadel.run_id': id },
      links: [{ traceId: root.traceId, spanId: root.spanId }],
    });
    expect(root).toMatchObject({
      parentSpanId: undefined,
      kind: KIND.internal,
      isError: true,
      attributes: { 'citadel.run_status': 'failed', 'error.type': 'forbidden' },
    });
    expect(named('step chat')).toMatchObject({
      parentSpanId: root.spanId,
      isError: false,
      attributes: { 'citadel.run_id': id, 'citadel.step': 'ask', 'citadel.attempt': 1 },
    });
    expect(named('step http')).toMatchObject({ parentSpanId: root.spanId, isError: true });
    expect(named('send lightweight')?.parentSpanId).toBe(named('step chat')?.spanId);
    expect(named('process lightweight')?.parentSpanId).toBe(named('send lightweight')?.spanId);
    expect(named(`chat ${MODEL}`)?.parentSpanId).toBe(named('process lightweight')?.spanId);
    expect(headersOfLastCall().traceparent).toBe(`00-${root.traceId}-${named(`chat ${MODEL}`)?.spanId}-01`);
  });

  test('that its caller does not want recorded is passed on, and not sent to the collector', async () => {
    const caller = newCaller('00');
    await (await send('/v1/chat/completions', chat(MODEL, PROMPT), caller)).text();
    const { traceparent } = headersOfLastCall();
    await sendMarker();

    expect(traceparent).toMatch(new RegExp(`^00-${caller.traceId}-(?!${caller.spanId})[0-9a-f]{16}-00$`));
    expect(collector.spans.filter(({ traceId }) => traceId === caller.traceId)).toEqual([]);
  });

  test.each([
    'nonsense',
    `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`,
    `ff-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
  ])('begins anew where the caller sends what is none: %s', async (traceparent) => {
    const response = await api.post('/v1/chat/completions', chat(MODEL, PROMPT), {
      headers: { traceparent },
    });
    await response.text();
    const id = response.headers.get('x-request-id');
    const root = await waitFor(
      () => collector.spans.find(({ attributes }) => attributes['citadel.request_id'] === id),
      'its span is there',
    );

    expect(root).toMatchObject({ parentSpanId: undefined });
    expect(headersOfLastCall().traceparent).toContain(root.traceId);
  });

  test('holds no prompt, no answer and no key, and what watches Citadel makes none', async () => {
    const answer = await (await send('/v1/chat/completions', chat(MODEL, PROMPT), newCaller('01'))).json();
    for (const path of ['/health', '/api/v1/health', '/metrics']) await (await api.get(path)).text();
    await sendMarker();
    const text = collector.bodies.join();

    const said =
      (answer as { choices: { message: { content: string } }[] }).choices[0]?.message.content ?? '';
    expect(said.length).toBeGreaterThan(10);
    expect(text).not.toContain(said);
    expect(text).not.toContain(PROMPT);
    expect(text).not.toContain('authorization');
    expect(text).not.toMatch(/"(GET )?\/(health|metrics|api\/v1\/health)"/);
  });

  test('is dropped while the collector is away, of which the log hears once, and calls go on', async () => {
    await collector.stop();
    const warnings = () => api.logLines.filter((line) => line.includes('traces cannot be sent'));
    const statuses: number[] = [];
    for (let round = 0; round < 2; round++) {
      const response = await send('/v1/chat/completions', chat(MODEL, PROMPT), newCaller('01'));
      await response.text();
      statuses.push(response.status);
      await waitFor(() => warnings().length > 0, 'the log has it');
    }

    expect(statuses).toEqual([200, 200]);
    expect(warnings()).toHaveLength(1);
  });
});

interface Caller {
  traceId: string;
  spanId: string;
  flags: string;
}

function newCaller(flags: '00' | '01'): Caller {
  traces += 1;
  return { traceId: String(traces).padStart(32, 'a'), spanId: String(traces).padStart(16, 'b'), flags };
}

function send(path: string, body: object, { traceId, spanId, flags }: Caller): Promise<Response> {
  const headers = { traceparent: `00-${traceId}-${spanId}-${flags}`, tracestate: 'vendor=value' };
  return api.post(path, body, { headers });
}

async function spansOf(traceId: string, count: number): Promise<SeenSpan[]> {
  const found = () => collector.spans.filter((span) => span.traceId === traceId);
  return await waitFor(() => (found().length >= count ? found() : null), `${count} spans of ${traceId}`);
}

/** Spans are sent in order: once its own are there, those before would be too. */
async function sendMarker(): Promise<void> {
  const caller = newCaller('01');
  await (await send('/v1/chat/completions', chat(MODEL, PROMPT), caller)).text();
  await spansOf(caller.traceId, 4);
}

/** From the root on. */
function inOrder(spans: SeenSpan[]): SeenSpan[] {
  const order: number[] = [KIND.server, KIND.producer, KIND.consumer, KIND.client];
  return spans.toSorted((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind));
}

function headersOfLastCall() {
  return worker.model.requests.findLast(({ method }) => method === 'POST')?.headers ?? {};
}
