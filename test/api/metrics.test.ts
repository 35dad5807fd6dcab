import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { parsePromql } from '../dashboards/promql.ts';
import { alertRules, dashboards, shownExpressions } from '../dashboards/shown-metrics.ts';
import { chat } from '../support/citadel.ts';
import { type PrometheusText, parsePrometheusText } from '../support/prometheus-text.ts';
import { waitFor } from '../support/wait-for.ts';
import { rawHead, sendRaw } from './raw-http.ts';
import { errorOf, START_LIMIT_MS } from './setup.ts';
import { CHAT_MODEL, JOBS, RUNS, setupWork, type WorkBundle } from './work-bundle.ts';

const USER_KEY = 'sk-user-0123456789';
const ADMIN_KEY = 'sk-admin-0123456789';
const PROMPT = 'a prompt that nobody else reads';
const FAILING_ONCE = 'sim:flaky-500';
/** 30 ms between its tokens. */
const PACED = 'sim:token=30+tokens=10';
const PRICE = { input: 2_000_000, output: 3_000_000 };

let bundle: WorkBundle;

beforeAll(async () => {
  bundle = await setupWork({
    env: {
      CITADEL_API_KEYS: `boss:admin:${ADMIN_KEY},ann:user:${USER_KEY}`,
      CITADEL_PRICES: JSON.stringify({ [CHAT_MODEL]: PRICE }),
    },
    models: [CHAT_MODEL, FAILING_ONCE, PACED, 'sim-embed'],
    registration: { max_concurrency: 7 },
  });
}, START_LIMIT_MS);
afterAll(() => bundle?.citadel.stop());

async function scrape(): Promise<{ text: string; page: PrometheusText }> {
  const response = await bundle.citadel.get('/metrics');
  expect(response.status).toBe(200);
  const text = await response.text();
  return { text, page: parsePrometheusText(text) };
}

/** How much a metric grows by `work`; the page is read again until it has grown. */
async function growth(names: [string, Record<string, string>][], work: () => Promise<unknown>) {
  const before = (await scrape()).page;
  await work();
  return await waitFor(async () => {
    const { page } = await scrape();
    const grown = names.map(
      ([name, labels]) => (page.value(name, labels) ?? 0) - (before.value(name, labels) ?? 0),
    );
    return grown.every((value) => value > 0) ? grown : null;
  }, 'all have grown');
}

async function send(model: string, rest: object = {}, key = ADMIN_KEY) {
  const response = await bundle.citadel.post('/v1/chat/completions', chat(model, PROMPT, rest), {
    headers: { authorization: `Bearer ${key}` },
  });
  return {
    status: response.status,
    jobId: response.headers.get('x-citadel-job-id'),
    text: await response.text(),
  };
}

describe('what is counted', () => {
  test('the page is in the text format, and names and units are as Prometheus wants them', async () => {
    await send(CHAT_MODEL);
    const response = await bundle.citadel.get('/metrics');
    const { types, samples } = parsePrometheusText(await response.text());

    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    for (const [name, type] of types) {
      expect(name).toMatch(/^(citadel|process|nodejs)_[a-z0-9_]+$/);
      if (!name.startsWith('citadel_')) continue;
      expect(name.endsWith('_total')).toBe(type === 'counter');
      if (type === 'histogram') expect(name).toMatch(/_(seconds|bytes)$/);
    }
    expect(types.get('nodejs_eventloop_lag_p99_seconds')).toBe('gauge');
    expect(samples.length).toBeGreaterThan(types.size / 2);
  });

  test('a request counts by its route, its status and its time, and its call by what the ledger says of it', async () => {
    let usage = { prompt_tokens: 0, completion_tokens: 0 };
    const call = {
      model: CHAT_MODEL,
      class: 'lightweight',
      endpoint: 'chat/completions',
      outcome: 'succeeded',
    };
    const http = { method: 'POST', route: '/v1/chat/completions' };
    const grown = await growth(
      [
        ['citadel_http_requests_total', { ...http, status: '200' }],
        ['citadel_http_request_duration_seconds_count', http],
        ['citadel_model_calls_total', call],
        ['citadel_model_call_duration_seconds_count', { model: CHAT_MODEL }],
        ['citadel_tokens_total', { model: CHAT_MODEL, direction: 'input' }],
        ['citadel_tokens_total', { model: CHAT_MODEL, direction: 'output' }],
        ['citadel_cost_total', { model: CHAT_MODEL }],
        ['citadel_queue_wait_seconds_count', { class: 'lightweight', priority: 'normal' }],
        ['citadel_queue_add_duration_seconds_count', { class: 'lightweight' }],
        ['citadel_attempts_total', { class: 'lightweight', result: 'answered' }],
      ],
      async () => {
        usage = JSON.parse((await send(CHAT_MODEL)).text).usage;
      },
    );

    const { prompt_tokens: input, completion_tokens: output } = usage;
    expect(grown).toEqual([1, 1, 1, 1, input, output, 2 * input + 3 * output, 1, 1, 1]);
  });

  test('a stream counts by when its first token came, and how far apart the others were', async () => {
    const { page: before } = await scrape();
    await send(CHAT_MODEL);
    const grown = await growth([['citadel_first_token_seconds_count', { model: CHAT_MODEL }]], () =>
      send(CHAT_MODEL, { stream: true }),
    );

    expect(grown).toEqual([1]);
    const [gaps = 0, sum = 0, inBuckets = 0] = await growth(
      [
        ['citadel_inter_token_seconds_count', { model: PACED }],
        ['citadel_inter_token_seconds_sum', { model: PACED }],
        ['citadel_inter_token_seconds_bucket', { model: PACED, le: '+Inf' }],
      ],
      () => send(PACED, { stream: true }),
    );
    // One for each token but the first; nearly all of the time lies between them.
    expect(gaps).toBeGreaterThanOrEqual(9);
    expect(inBuckets).toBe(gaps);
    expect(sum).toBeGreaterThan(9 * 0.025);
    // An answer that comes as a whole has no first token.
    const { page: after } = await scrape();
    const count = (page: PrometheusText) =>
      page.value('citadel_first_token_seconds_count', { model: CHAT_MODEL });
    expect((count(after) ?? 0) - (count(before) ?? 0)).toBe(1);
  });

  test('a call that is made again counts with the reason', async () => {
    const grown = await growth(
      [
        ['citadel_retries_total', { class: 'lightweight', reason: 'status_5xx' }],
        ['citadel_attempts_total', { class: 'lightweight', result: 'status_5xx' }],
        ['citadel_attempts_total', { class: 'lightweight', result: 'answered' }],
      ],
      () => send(FAILING_ONCE),
    );

    expect(grown).toEqual([1, 1, 1]);
  });

  test('what is wrong counts by its code, and a model that nobody has makes no series', async () => {
    const [refused] = await growth(
      [['citadel_http_requests_total', { route: '/v1/chat/completions', status: '404' }]],
      () => send('no-such-model-anywhere'),
    );

    expect(refused).toBe(1);
    expect((await scrape()).text).not.toContain('no-such-model-anywhere');
  });

  test('steps and runs count by type and outcome, with their times', async () => {
    const steps = [
      { id: 'one', type: 'chat', model: CHAT_MODEL, messages: [{ role: 'user', content: PROMPT }] },
      { id: 'two', type: 'transform', value: '${{ steps.one.output.text }}' },
      { id: 'three', type: 'fail', message: 'no', when: 'false' },
    ];
    const grown = await growth(
      [
        ['citadel_steps_total', { type: 'chat', outcome: 'succeeded' }],
        ['citadel_steps_total', { type: 'transform', outcome: 'succeeded' }],
        ['citadel_steps_total', { type: 'fail', outcome: 'skipped' }],
        ['citadel_step_attempt_duration_seconds_count', { type: 'chat', outcome: 'succeeded' }],
        ['citadel_runs_total', { kind: 'workflow', outcome: 'succeeded' }],
        ['citadel_run_duration_seconds_count', { kind: 'workflow' }],
      ],
      async () => {
        const { body } = await bundle.ask('POST', RUNS, { definition: { name: 'measured', steps } });
        await bundle.untilEnded(`${RUNS}/${body.id}`);
      },
    );

    expect(grown).toEqual([1, 1, 1, 1, 1, 1]);
  });

  test('a job counts as a run of its kind, and its call as any other', async () => {
    const grown = await growth(
      [
        ['citadel_runs_total', { kind: 'job', outcome: 'succeeded' }],
        ['citadel_model_calls_total', { model: CHAT_MODEL, outcome: 'succeeded' }],
      ],
      async () => {
        const { body } = await bundle.ask('POST', JOBS, { kind: 'chat', request: chat(CHAT_MODEL, PROMPT) });
        await bundle.untilEnded(`${JOBS}/${body.id}`);
      },
    );

    expect(grown).toEqual([1, 1]);
  });

  test('documents count by outcome and reason, and stages by their time', async () => {
    const collection = 'measured';
    const base = '/api/v1/rag';
    await bundle.ask('POST', `${base}/collections`, { name: collection, embedding_model: 'sim-embed' });
    const documents = [
      { external_id: 'good', text: 'A zebra has stripes.' },
      { external_id: 'empty', text: ' ' },
    ];
    const grown = await growth(
      [
        ['citadel_ingest_documents_total', { outcome: 'published' }],
        ['citadel_ingest_documents_total', { outcome: 'failed', reason: 'no_extractable_text' }],
        ['citadel_ingest_stage_duration_seconds_count', { stage: 'parse', outcome: 'done' }],
        ['citadel_ingest_stage_duration_seconds_count', { stage: 'embed', outcome: 'done' }],
        ['citadel_ingest_stage_duration_seconds_count', { stage: 'index', outcome: 'done' }],
        ['citadel_ingest_stage_duration_seconds_count', { stage: 'publish', outcome: 'done' }],
      ],
      () => bundle.ask('POST', `${base}/ingest/batch`, { collection, documents }),
    );

    expect(grown.slice(0, 2)).toEqual([1, 1]);
  });

  test('servers, slots, queues and stores show how they are', async () => {
    const { page } = await scrape();

    expect(page.value('citadel_server_state', { server: 'sim' })).toBe(1);
    expect(page.value('citadel_server_state', { server: 'sim', state: 'unhealthy' })).toBe(0);
    expect(page.value('citadel_server_slots_limit', { server: 'sim' })).toBe(7);
    expect(page.value('citadel_server_slots_in_use', { server: 'sim' })).toBe(0);
    for (const priority of ['low', 'normal', 'high', 'critical']) {
      expect(page.value('citadel_waiting_calls', { class: 'lightweight', priority })).toBe(0);
    }
    expect(page.value('citadel_queue_jobs', { class: 'heavyweight', state: 'waiting' })).toBe(0);
    expect(page.value('citadel_worker_jobs', { class: 'embedding', state: 'parked' })).toBe(0);
    expect(page.value('citadel_store_up', { store: 'queue', kind: 'pglite' })).toBe(1);
    expect(page.value('citadel_store_up', { store: 'database', kind: 'pglite' })).toBe(1);
    expect(
      page.value('citadel_sql_duration_seconds_count', { store: 'pglite', outcome: 'ok' }),
    ).toBeGreaterThan(0);
    expect(page.value('citadel_build_info')).toBe(1);
  });

  test('no key, prompt, job id or path of a request is on the page', async () => {
    const { jobId } = await send(CHAT_MODEL);
    await (await bundle.citadel.get(`/api/v1/workflows/run_secret-in-the-path?x=${PROMPT}`)).text();
    const { text } = await scrape();

    expect(jobId).toMatch(/^job_/);
    for (const secret of [ADMIN_KEY, USER_KEY, PROMPT, jobId ?? '', 'secret-in-the-path', 'boss', 'ann"']) {
      expect(text).not.toContain(secret);
    }
    expect(text).not.toMatch(/(job|run|req|ing|doc)_[0-9a-f]{24}/);
  });
});

describe('who may see it', () => {
  const PROXIED = { host: '127.0.0.1', 'x-forwarded-for': '203.0.113.7' };
  const see = (headers: Record<string, string>) =>
    sendRaw(bundle.citadel.url, rawHead('GET /metrics', headers));

  test('who calls from this machine, without a key', async () => {
    expect((await see({ host: 'localhost' })).status).toBe(200);
    expect((await see({ host: '127.0.0.1:8002', origin: 'http://localhost:3000' })).status).toBe(200);
  });

  test.each<Record<string, string>>([
    { host: 'evil.example' },
    { host: 'localhost', origin: 'https://evil.example' },
    PROXIED,
    { host: 'localhost', forwarded: 'for=203.0.113.7' },
    { ...PROXIED, authorization: 'Bearer sk-wrong-0123456789' },
  ])('nobody from elsewhere without a key: %j', async (headers) => {
    const answer = await see(headers);

    expect(answer.status).toBe(401);
    expect(JSON.parse(answer.body)).toEqual(errorOf('invalid_api_key'));
  });

  test('an admin from anywhere, and no other key', async () => {
    const admin = await see({ ...PROXIED, authorization: `Bearer ${ADMIN_KEY}` });
    const user = await see({ ...PROXIED, authorization: `Bearer ${USER_KEY}` });

    expect(admin.status).toBe(200);
    expect(user.status).toBe(403);
    expect(JSON.parse(user.body)).toEqual(errorOf('forbidden'));
  });

  test('it is only read', async () => {
    const response = await fetch(`${bundle.citadel.url}/metrics`, { method: 'POST' });

    expect(response.status).toBe(405);
    expect(response.headers.get('allow')).toBe('GET, HEAD');
    await response.text();
  });
});

// After all that is counted above, so that nearly everything has a series.
describe('the dashboards and alert rules', () => {
  /** Prometheus's own. */
  const OWN_METRICS = new Set(['up']);
  const OWN_LABELS = ['job', 'instance'];
  const UNSEEN = ['citadel_retries_refused_total', 'citadel_ingest_waits_total'];

  test('each metric and label that they name is on the page', async () => {
    const { page } = await scrape();
    const wrong = shownExpressions().flatMap(([place, expression]) =>
      parsePromql(expression).flatMap(({ metric, labels }) => {
        if (OWN_METRICS.has(metric)) return [];
        if (!isListed(page, metric)) return [`${place}: there is no ${metric}`];
        const series = page.samples.find(({ name }) => name === metric);
        if (!series) return UNSEEN.includes(metric) ? [] : [`${place}: ${metric} has no series`];
        const known = [...OWN_LABELS, ...Object.keys(series.labels)];
        const unknown = labels.filter((label) => !known.includes(label));
        return unknown.map((label) => `${place}: ${metric} has no label ${label}`);
      }),
    );

    expect(wrong).toEqual([]);
  });

  test('what is measured is shown, but for what processes have of their own', async () => {
    const { page } = await scrape();
    const shown = shownExpressions().flatMap(([, expression]) =>
      parsePromql(expression).map(({ metric }) => metric),
    );
    const bare = new Set(shown.map((name) => name.replace(/_(bucket|count|sum)$/, '')));
    const named = dashboards().flatMap(({ templating }) => templating.list.map(({ query }) => query));
    const hidden = [...page.types.keys()].filter(
      (name) =>
        name.startsWith('citadel_') && !bare.has(name) && !named.some((query) => query.includes(name)),
    );

    expect(hidden).toEqual([]);
  });

  test('names and ids stand once, and each alert says what is wrong', () => {
    const alerts = alertRules();
    const boards = dashboards();

    expect(new Set(alerts.map(({ alert }) => alert)).size).toBe(alerts.length);
    for (const { annotations } of alerts) expect(annotations.summary).toMatch(/\.$/);
    expect(new Set(boards.map(({ uid }) => uid)).size).toBe(2);
    for (const { panels } of boards) expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  });

  /** Whether it is a metric, or a part of a histogram. */
  function isListed({ types }: PrometheusText, name: string): boolean {
    const whole = name.replace(/_(bucket|count|sum)$/, '');
    return whole === name
      ? types.has(name) && types.get(name) !== 'histogram'
      : types.get(whole) === 'histogram';
  }
});
