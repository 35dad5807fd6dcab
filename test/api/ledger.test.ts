import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { createPglitePool } from '../../storage/pglite-pool.ts';
import { chat, startTestCitadel, type TestCitadel } from '../support/citadel.ts';
import { newDataDirectory } from '../support/pglite-template.ts';
import { waitFor } from '../support/wait-for.ts';
import { START_LIMIT_MS } from './setup.ts';

const ROUTE = '/v1/chat/completions';
const ALICE = 'sk-alice-0123456789';
const BOB = 'sk-bob-0123456789';
const PROMPT = 'canary-prompt-5b1f';
const FIRST_MS = 150;
const TOKEN_MS = 20;
const TOKENS = 6;
/** A timer may end a little early, and times are rounded. */
const TIMER_SLACK_MS = 5;
const PACED = `sim:first=${FIRST_MS}+token=${TOKEN_MS}+tokens=${TOKENS}`;
const ENDLESS = 'sim:token=50+tokens=10000';

interface Row {
  job_id: string;
  request_id: string;
  key_name: string;
  queued_ms: number | null;
  first_token_ms: number | null;
  total_ms: number;
  created_at: Date;
  [column: string]: unknown;
}

interface Asked {
  requestId: string | null;
  attempts: number;
  status: number;
}

let rows: Row[];
const startedAt = new Date();
const asked: Record<string, Asked> = {};

// Everything is asked of one Citadel; what it wrote is read once it has stopped.
beforeAll(async () => {
  const dataDirectory = await newDataDirectory();
  try {
    const citadel = await startTestCitadel({
      models: ['sim-chat', 'sim-embed', PACED, ENDLESS, 'sim:error-500', 'sim:bad-request', 'sim:cut-stream'],
      env: { CITADEL_DATA_DIR: dataDirectory, CITADEL_API_KEYS: `alice:user:${ALICE},bob:admin:${BOB}` },
    });
    await askAll(citadel);
    await citadel.stop();
    rows = await readLedger(dataDirectory);
  } finally {
    await rm(dataDirectory, { recursive: true, force: true });
  }
}, START_LIMIT_MS);

async function askAll(citadel: TestCitadel): Promise<void> {
  const ask = async (name: string, path: string, body: object, key = ALICE): Promise<void> => {
    const response = await citadel.post(path, body, { headers: { authorization: `Bearer ${key}` } });
    asked[name] = factsOf(response);
    await response.text();
  };
  await ask('whole', ROUTE, chat('sim-chat', `Hello ${PROMPT}`, { max_tokens: 4 }));
  await ask('stream', ROUTE, chat(PACED, 'Hello', { stream: true }), BOB);
  await ask('completion', '/v1/completions', { model: 'sim-chat', prompt: 'Once', max_tokens: 3 });
  await ask('embedding', '/v1/embeddings', { model: 'sim-embed', input: ['a', 'b c'] });
  await ask("server's failure", ROUTE, chat('sim:error-500'));
  await ask("caller's fault", ROUTE, chat('sim:bad-request'));
  await ask('broken stream', ROUTE, chat('sim:cut-stream', 'Hello', { stream: true }));
  await ask('wrong field', ROUTE, chat('sim-chat', 'Hello', { n: 'x' }));
  await ask('unknown model', ROUTE, chat('gpt-9'));
  await ask('wrong key', ROUTE, chat('sim-chat'), 'sk-wrong');

  await leaveStream(citadel, 'left', ENDLESS);
  await leaveStream(citadel, 'left, to be finished', PACED, { 'x-citadel-on-disconnect': 'finish' });
  await openStream(citadel, 'still running');
  await ask('last', ROUTE, chat('sim-chat'));
}

interface StreamOptions {
  model?: string;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

async function openStream(
  citadel: TestCitadel,
  name: string,
  { model = ENDLESS, headers = {}, signal }: StreamOptions = {},
): Promise<Response> {
  const response = await citadel.post(ROUTE, chat(model, 'Hello', { stream: true }), {
    headers: { authorization: `Bearer ${ALICE}`, ...headers },
    ...(signal ? { signal } : {}),
  });
  asked[name] = factsOf(response);
  return response;
}

async function leaveStream(
  citadel: TestCitadel,
  name: string,
  model: string,
  headers: Record<string, string> = {},
): Promise<void> {
  const controller = new AbortController();
  await openStream(citadel, name, { model, headers, signal: controller.signal });
  controller.abort();
  await waitFor(() => citadel.model.openCalls() === 0, 'the end of the call to the server');
}

function factsOf({ headers, status }: Response): Asked {
  return {
    requestId: headers.get('x-request-id'),
    attempts: Number(headers.get('x-citadel-attempts')),
    status,
  };
}

async function readLedger(dataDirectory: string): Promise<Row[]> {
  const pool = await createPglitePool({ dataDir: join(dataDirectory, 'pglite') });
  try {
    // A bigint is read as text.
    const numbers = ['prompt_tokens', 'completion_tokens'].map((name) => `${name}::integer AS ${name}`);
    return (await pool.query<Row>(`SELECT *, ${numbers.join(', ')} FROM citadel.ledger`)).rows;
  } finally {
    await pool.close();
  }
}

function rowOf(name: string): Row {
  const [row, ...others] = rows.filter(({ request_id }) => request_id === asked[name]?.requestId);
  expect(others).toEqual([]);
  if (!row) throw new Error(`no row for ${name}`);
  return row;
}

const MEASURED = {
  job_id: expect.stringMatching(/^job_[0-9a-f]{24}$/),
  request_id: expect.stringMatching(/^req_[0-9a-f]{24}$/),
  queued_ms: expect.any(Number),
  total_ms: expect.any(Number),
  created_at: expect.any(Date),
  tags: [],
  is_waited: true,
};

describe('the ledger has one row for', () => {
  test('an answer that is not streamed', () => {
    expect(rowOf('whole')).toEqual({
      ...MEASURED,
      first_token_ms: expect.any(Number),
      key_name: 'alice',
      endpoint: 'chat/completions',
      model: 'sim-chat',
      model_class: 'lightweight',
      server: 'sim',
      attempts: 1,
      prompt_tokens: 3,
      completion_tokens: 4,
      charged_tokens: '7',
      outcome: 'succeeded',
      error_code: null,
    });
  });

  test('a stream, with its usage though nobody asked for it, and its times', () => {
    const row = rowOf('stream');

    expect(row).toMatchObject({
      key_name: 'bob',
      model: PACED,
      outcome: 'succeeded',
      prompt_tokens: 1,
      completion_tokens: TOKENS,
    });
    expect(row.queued_ms).toBeLessThanOrEqual(row.first_token_ms ?? 0);
    expect(row.first_token_ms).toBeGreaterThanOrEqual(FIRST_MS - TIMER_SLACK_MS);
    expect(row.first_token_ms).toBeLessThanOrEqual(row.total_ms);
    expect(row.total_ms).toBeGreaterThanOrEqual(FIRST_MS + TOKEN_MS * (TOKENS - 1) - TIMER_SLACK_MS);
  });

  test('a completion and an embedding', () => {
    expect(rowOf('completion')).toMatchObject({
      endpoint: 'completions',
      model_class: 'lightweight',
      completion_tokens: 3,
    });
    expect(rowOf('embedding')).toMatchObject({
      endpoint: 'embeddings',
      model_class: 'embedding',
      prompt_tokens: 3,
      completion_tokens: null,
      outcome: 'succeeded',
    });
  });

  test('a failure, with its code and every attempt', () => {
    expect(asked["server's failure"]).toMatchObject({ status: 502 });
    expect(rowOf("server's failure")).toMatchObject({
      outcome: 'failed',
      error_code: 'bad_backend',
      server: 'sim',
      attempts: asked["server's failure"]?.attempts,
      first_token_ms: null,
      prompt_tokens: null,
    });
    expect(rowOf("server's failure").attempts).toBeGreaterThanOrEqual(1);
    expect(rowOf("caller's fault")).toMatchObject({
      outcome: 'failed',
      error_code: 'invalid_request',
      attempts: 1,
    });
  });

  test('a stream that broke', () => {
    expect(asked['broken stream']).toMatchObject({ status: 200 });
    expect(rowOf('broken stream')).toMatchObject({
      outcome: 'failed',
      error_code: 'bad_backend',
      server: 'sim',
      first_token_ms: expect.any(Number),
    });
  });

  test('a client that left', () => {
    expect(rowOf('left')).toMatchObject({
      outcome: 'cancelled',
      error_code: 'client_closed',
      server: 'sim',
      attempts: 1,
    });
  });

  test('a client that left its call to be finished, as if it had stayed', () => {
    expect(rowOf('left, to be finished')).toMatchObject({
      outcome: 'succeeded',
      error_code: null,
      completion_tokens: TOKENS,
    });
  });

  test('a stream that Citadel itself ended when it stopped', () => {
    expect(rowOf('still running')).toMatchObject({ outcome: 'failed', error_code: 'overloaded' });
  });

  test('a request that ended right before it stopped', () => {
    expect(rowOf('last')).toMatchObject({ outcome: 'succeeded' });
  });
});

test('what became no job has no row', () => {
  expect(['wrong field', 'unknown model', 'wrong key'].map((name) => asked[name]?.status)).toEqual([
    400, 404, 401,
  ]);
  expect(rows).toHaveLength(Object.keys(asked).length - 3);
  expect(new Set(rows.map(({ job_id }) => job_id)).size).toBe(rows.length);
});

test('each row says when its request arrived', () => {
  for (const { created_at } of rows) {
    expect(created_at.getTime()).toBeGreaterThanOrEqual(startedAt.getTime());
    expect(created_at.getTime()).toBeLessThanOrEqual(Date.now());
  }
});

test('neither prompts nor keys are in it', () => {
  const text = JSON.stringify(rows);

  for (const secret of [PROMPT, ALICE, BOB]) expect(text).not.toContain(secret);
});
