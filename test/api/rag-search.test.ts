import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { openSearchBundle } from '../rag/search-bundle.ts';
import { newDataDirectory } from '../support/pglite-template.ts';
import {
  type ScriptedServer,
  sendJson,
  sendStream,
  startScriptedServer,
} from '../support/scripted-server.ts';
import { errorOf, START_LIMIT_MS } from './setup.ts';
import { JOBS, RUNS, setupWork, type WorkBundle } from './work-bundle.ts';

const ANSWER = 'Foxes hunt at night [1]. Nonsense [9].';
const CITATION = {
  index: 1,
  document_id: 'doc_1_foxes',
  chunk_id: 'doc_1_foxes:0',
  quote: 'Foxes hunt at night.',
  char_start: 0,
  char_end: 20,
};
/** As the bundle brings it. */
const ROOT = 'sk-admin-0123456789';
const QUERY = { collection: 'collection-1', query: 'When do foxes hunt?', model: 'talker' };

let model: ScriptedServer;
let bundle: WorkBundle;

beforeAll(async () => {
  model = await startScriptedServer({
    '/health': (res) => sendJson(res, {}),
    '/v1/models': (res) => sendJson(res, { data: [{ id: 'talker' }, { id: 'words-embed' }] }),
    '/v1/chat/completions': (res) => sendStream(res, [...chunksOf(ANSWER), 'data: [DONE]\n\n']),
    '/v1/embeddings': (res, { body }) => {
      const inputs = [JSON.parse(body).input].flat() as string[];
      const data = inputs.map((text, index) => ({
        index,
        embedding: [text.length, 1, text.includes('x') ? 5 : 0],
      }));
      sendJson(res, {
        object: 'list',
        model: 'words-embed',
        data,
        usage: { prompt_tokens: 1, total_tokens: 1 },
      });
    },
  });
  const dataDir = await newDataDirectory();
  const documents = await openSearchBundle(dataDir);
  await documents.collection([
    { id: 'foxes', texts: ['Foxes hunt at night. They eat mice.'], metadata: { year: 2020 } },
    { id: 'bears', texts: ['Bears sleep in winter.'], metadata: { year: 2024 } },
  ]);
  await documents.close();
  const servers = [{ id: 'scripted', hostname: '127.0.0.1', port: model.port }];
  bundle = await setupWork({
    env: {
      CITADEL_DATA_DIR: dataDir,
      CITADEL_SERVERS: JSON.stringify(servers),
      CITADEL_API_KEYS: `root:admin:${ROOT}`,
    },
  });
}, START_LIMIT_MS);

afterAll(async () => {
  await bundle?.citadel.stop();
  await model?.close();
});

test('a search answers with the chunks and where they stand', async () => {
  const { status, body } = await bundle.ask('POST', '/api/v1/rag/search', {
    ...{ collection: 'collection-1', query: 'hunting foxes', filter: { year: { $lt: 2024 } } },
  });
  expect({ status, body }).toEqual({
    status: 200,
    body: {
      mode: 'lexical',
      data: [
        {
          document_id: 'doc_1_foxes',
          external_id: 'foxes',
          chunk_id: 'doc_1_foxes:0',
          score: expect.any(Number),
          title: null,
          text: 'Foxes hunt at night. They eat mice.',
          heading_path: [],
          page: null,
          char_start: 0,
          char_end: 35,
          metadata: { year: 2020 },
        },
      ],
    },
  });
});

test('a search that is wrong says where', async () => {
  const search = (fields: object) =>
    bundle.ask('POST', '/api/v1/rag/search', { collection: 'collection-1', query: 'x', ...fields });

  expect((await search({ collection: 'none' })).body).toEqual(errorOf('not_found', { param: 'collection' }));
  expect((await search({ top_k: 101 })).body).toEqual(errorOf('invalid_request', { param: 'top_k' }));
  expect((await search({ topk: 1 })).body).toEqual(errorOf('invalid_request', { param: 'topk' }));
  expect((await search({ mode: 'dense' })).body).toEqual(errorOf('invalid_request', { param: 'mode' }));
  expect((await search({ filter: { year: { $x: 1 } } })).body).toEqual(
    errorOf('invalid_request', { param: 'filter.year.$x' }),
  );
});

test('a query answers as a chat, with what it cites beside it', async () => {
  const { status, headers, body } = await bundle.ask('POST', '/api/v1/rag/query', {
    ...QUERY,
    temperature: 0,
  });

  expect(status).toBe(200);
  expect(headers.get('x-citadel-server')).toBe('scripted');
  expect(body).toMatchObject({
    object: 'chat.completion',
    choices: [{ message: { role: 'assistant', content: ANSWER } }],
    citations: [CITATION],
  });
  const asked = JSON.parse(model.requests.findLast(({ path }) => path.endsWith('/completions'))?.body ?? '');
  expect(asked).toMatchObject({ model: 'talker', temperature: 0 });
  expect(Object.keys(asked)).not.toContain('collection');
  expect(asked.messages.at(-1).content).toMatch(/Foxes hunt at night.*Question: When do foxes hunt\?$/s);
});

test('a streamed query ends with what it cites', async () => {
  const events = await stream({ ...QUERY, stream: true });
  expect(events.at(-1)).toBe('[DONE]');
  const chunks = events.slice(0, -1).map((event) => JSON.parse(event));
  expect(chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('')).toBe(ANSWER);
  expect(chunks.at(-1)).toMatchObject({
    object: 'chat.completion.chunk',
    choices: [],
    citations: [CITATION],
  });
});

test('where nothing is found the answer says so, and no model is asked', async () => {
  const before = model.calls().length;
  const query = { ...QUERY, query: 'quantum' };
  const { status, body } = await bundle.ask('POST', '/api/v1/rag/query', query);
  const events = await stream({ ...query, stream: true });

  expect(status).toBe(200);
  expect(body).toMatchObject({ object: 'chat.completion', model: 'talker', citations: [] });
  expect(body.choices[0].message.content).toMatch(/say nothing about that/);
  expect(JSON.parse(events[0] ?? '').choices[0].delta.content).toBe(body.choices[0].message.content);
  expect(events.at(-1)).toBe('[DONE]');
  expect(model.calls().slice(before)).toEqual([]);
});

test('a query that is wrong is refused before anything is searched', async () => {
  const query = (fields: object) => bundle.ask('POST', '/api/v1/rag/query', { ...QUERY, ...fields });

  expect((await query({ model: 'none' })).body).toEqual(errorOf('model_not_found', { param: 'model' }));
  expect((await query({ n: 2 })).body).toEqual(errorOf('invalid_request', { param: 'n' }));
  expect((await query({ messages: [{ content: 'x' }] })).status).toBe(400);
  expect((await query({ temperature: 'hot' })).body).toEqual(
    errorOf('invalid_request', { param: 'temperature' }),
  );
  expect((await query({ collection: 'none' })).body).toEqual(errorOf('not_found', { param: 'collection' }));
});

test('with an Idempotency-Key a query is asked once, and its answer given again with its citations', async () => {
  const key = { 'idempotency-key': 'query-1' };
  const calls = () => model.requests.filter(({ path }) => path.endsWith('/completions')).length;
  const before = calls();
  const first = await bundle.ask('POST', '/api/v1/rag/query', QUERY, key);
  const again = await bundle.ask('POST', '/api/v1/rag/query', QUERY, key);
  const streamed = await stream({ ...QUERY, stream: true }, { 'idempotency-key': 'query-2' });

  expect(first.body.citations).toEqual([CITATION]);
  expect(again.body).toEqual(first.body);
  expect(again.headers.get('idempotent-replayed')).toBe('true');
  expect(JSON.parse(streamed.at(-2) ?? '')).toMatchObject({ choices: [], citations: [CITATION] });
  expect(calls() - before).toBe(2);
});

test('a query is a job where that is asked for', async () => {
  const { status, body } = await bundle.ask('POST', JOBS, { kind: 'rag_query', request: QUERY });
  expect(status).toBe(202);
  const job = await bundle.untilEnded(`${JOBS}/${body.id}`);
  expect(job).toMatchObject({ kind: 'rag_query', status: 'succeeded', result: { citations: [CITATION] } });

  const wrong = await bundle.ask('POST', JOBS, { kind: 'rag_query', request: { ...QUERY, filter: 1 } });
  expect(wrong.body).toEqual(errorOf('invalid_request', { param: 'request.filter' }));
  const request = { ...QUERY, collection: 'nowhere' };
  const nowhere = await bundle.ask('POST', JOBS, { kind: 'rag_query', request });
  expect(nowhere).toMatchObject({ status: 404, body: errorOf('not_found', { param: 'request.collection' }) });
});

test("a workflow's step retrieves what a search finds", async () => {
  const definition = {
    name: 'asks',
    steps: [
      {
        id: 'found',
        type: 'retrieve',
        collection: 'collection-1',
        query: '${{ input.about }}',
        top_k: '${{ 1 }}',
      },
      { id: 'texts', type: 'transform', value: '${{ steps.found.output.data.map(d, d.text) }}' },
    ],
    output: '${{ steps.texts.output }}',
  };
  const { body } = await bundle.ask('POST', RUNS, { definition, input: { about: 'bears' } });
  const run = await bundle.untilEnded(`${RUNS}/${body.id}`);
  expect(run).toMatchObject({ status: 'succeeded', output: ['Bears sleep in winter.'] });
});

test("a key asks its own collections and the models it may call, and nobody else's", async () => {
  const { body: key } = await bundle.ask('POST', '/api/v1/keys', { name: 'ann', models: ['words-embed'] });
  const asAnn = (path: string, body: object) =>
    bundle.ask('POST', path, body, { authorization: `Bearer ${key.key}` });
  const before = model.calls().length;

  const search = await asAnn('/api/v1/rag/search', { collection: 'collection-1', query: 'foxes' });
  expect(search.body).toEqual(errorOf('not_found', { param: 'collection' }));
  const query = await asAnn('/api/v1/rag/query', QUERY);
  expect(query.body).toEqual(errorOf('forbidden', { param: 'model' }));
  const verify = await asAnn('/api/v1/rag/collections/collection-1/verify', {});
  expect(verify.body).toEqual(errorOf('not_found', { param: 'collection' }));
  const job = await asAnn(JOBS, { kind: 'rag_query', request: QUERY });
  expect(job.body).toEqual(errorOf('not_found', { param: 'request.collection' }));
  const similarity = { model: 'talker', a: 'a', b: ['b'] };
  expect((await asAnn('/api/v1/embeddings/similarity', similarity)).body).toEqual(
    errorOf('forbidden', { param: 'model' }),
  );
  expect(model.calls().slice(before)).toEqual([]);
});

test('the index is held against the rows', async () => {
  const verify = () => bundle.ask('POST', '/api/v1/rag/collections/collection-1/verify');
  expect((await verify()).body).toEqual({ checked: 2, missing: 0, orphans: 0, repaired: 0 });
  const missing = await bundle.ask('POST', '/api/v1/rag/collections/none/verify');
  expect(missing.body).toEqual(errorOf('not_found', { param: 'collection' }));
});

test('its health says what the index can do', async () => {
  const { status, body } = await bundle.ask('GET', '/api/v1/rag/health');
  expect({ status, body }).toEqual({
    status: 200,
    body: { status: 'healthy', index: { kind: 'pgvector', status: 'healthy', vectors: true }, note: null },
  });
});

test('embeddings answer under the API as under OpenAI, and as a job', async () => {
  const request = { model: 'words-embed', input: ['a', 'bb'], encoding_format: 'float' };
  const { body } = await bundle.ask('POST', '/api/v1/embeddings', request);
  expect(body.data.map(({ embedding }: { embedding: number[] }) => embedding)).toEqual([
    ...[
      [1, 1, 0],
      [2, 1, 0],
    ],
  ]);
  const accepted = await bundle.ask('POST', '/api/v1/embeddings/batch', { ...request, metadata: { a: 'b' } });
  expect(accepted.status).toBe(202);
  const job = await bundle.untilEnded(`${JOBS}/${accepted.body.id}`);
  expect(job).toMatchObject({
    kind: 'embedding',
    status: 'succeeded',
    metadata: { a: 'b' },
    result: { data: body.data },
  });
  const wrong = await bundle.ask('POST', '/api/v1/embeddings/batch', { ...request, input: [] });
  expect(wrong.body).toEqual(errorOf('invalid_request', { param: 'input' }));
});

test('similarity is the cosine, in the order of the texts', async () => {
  const ask = (fields: object) =>
    bundle.ask('POST', '/api/v1/embeddings/similarity', {
      model: 'words-embed',
      a: 'aaa',
      b: ['bbb', 'bbx'],
      ...fields,
    });
  const { body } = await ask({});

  expect(body).toMatchObject({ object: 'similarity', model: 'words-embed' });
  expect(body.scores[0]).toBeCloseTo(1, 6);
  expect(body.scores[1]).toBeCloseTo(10 / (Math.hypot(3, 1) * Math.hypot(3, 1, 5)), 6);
  expect((await ask({ b: [] })).body).toEqual(errorOf('invalid_request', { param: 'b' }));
  expect((await ask({ model: 'none' })).body).toEqual(errorOf('model_not_found', { param: 'model' }));
});

test('models for embeddings are listed by themselves', async () => {
  const { body } = await bundle.ask('GET', '/api/v1/embeddings/models');
  expect(body).toMatchObject({
    object: 'list',
    data: [{ id: 'words-embed', citadel: { class: 'embedding' } }],
  });
});

async function stream(body: object, headers: Record<string, string> = {}): Promise<string[]> {
  const response = await bundle.citadel.post('/api/v1/rag/query', body, {
    headers: { authorization: `Bearer ${ROOT}`, ...headers },
  });
  const text = await response.text();
  return Array.from(text.matchAll(/^data: (.*)$/gm), ([, data]) => data ?? '');
}

function chunksOf(text: string): string[] {
  const head = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: 'talker' };
  const deltas = [{ role: 'assistant', content: '' }, ...text.split(/(?= )/).map((content) => ({ content }))];
  const choices = [
    ...deltas.map((delta) => ({ index: 0, delta, finish_reason: null })),
    { index: 0, delta: {}, finish_reason: 'stop' },
  ];
  return choices.map((choice) => `data: ${JSON.stringify({ ...head, choices: [choice] })}\n\n`);
}
