import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { waitFor } from '../support/wait-for.ts';
import { errorOf, START_LIMIT_MS } from './setup.ts';
import { durable, RUNS, readEventStream, setupWork, type WorkBundle } from './work-bundle.ts';

const RAG = '/api/v1/rag';
const ENDED_WITHIN_MS = 30_000;

let bundle: WorkBundle;
let pages: Server;
let hooks: { type: string; data: { status: string } }[] = [];
let origin: string;

beforeAll(async () => {
  pages = createServer((req, res) => {
    if (req.url === '/hook') {
      let body = '';
      req.on('data', (part) => {
        body += part;
      });
      req.on('end', () => {
        hooks.push(JSON.parse(body));
        res.end();
      });
    } else if (req.url === '/inside') res.writeHead(302, { location: 'http://10.0.0.1/' }).end();
    else res.writeHead(200, { 'content-type': 'text/plain' }).end('A page about zebras.');
  });
  await new Promise<void>((resolve) => pages.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(pages.address() as AddressInfo).port}`;
  bundle = await setupWork({
    env: {
      CITADEL_API_KEYS:
        'boss:admin:sk-admin-0123456789,ann:user:sk-ann-0123456789,bob:user:sk-bob-0123456789',
      CITADEL_OUTBOUND_ALLOW: '127.0.0.1/32',
      CITADEL_WEBHOOK_SECRET: `whsec_${Buffer.alloc(32, 1).toString('base64')}`,
    },
  });
}, START_LIMIT_MS);

afterAll(async () => {
  await bundle?.citadel.stop();
  pages?.close();
});

const BOSS = { authorization: 'Bearer sk-admin-0123456789' };
const ANN = { authorization: 'Bearer sk-ann-0123456789' };
const BOB = { authorization: 'Bearer sk-bob-0123456789' };

test("a run of an admin's key retrieves from all collections, and another key's from its own", async () => {
  const { body: chief } = await bundle.ask('POST', '/api/v1/keys', { name: 'chief', role: 'admin' }, BOSS);
  const collection = await newCollection();
  const steps = [{ id: 'found', type: 'retrieve', collection, query: 'anything' }];
  const runAs = async (headers: Record<string, string>) => {
    const { body } = await bundle.ask('POST', RUNS, { definition: { name: 'asks', steps } }, headers);
    return await bundle.untilEnded(`${RUNS}/${body.id}`);
  };

  expect(await runAs({ authorization: `Bearer ${chief.key}` })).toMatchObject({ status: 'succeeded' });
  expect(await runAs(BOB)).toMatchObject({ status: 'failed', error: { code: 'not_found' } });
});

test('a collection says how its lists are weighed, and takes other weights at any time', async () => {
  const path = `${RAG}/collections/${await newCollection({ weights: { dense: 3 } })}`;
  const weightsOf = async () => (await bundle.ask('GET', path, undefined, ANN)).body.weights;
  expect(await weightsOf()).toEqual({ lexical: 1, dense: 3 });

  const changed = await bundle.ask('PATCH', path, { weights: { lexical: 2, dense: 0 } }, ANN);
  expect(changed).toMatchObject({ status: 200, body: { weights: { lexical: 2, dense: 0 }, reindex: null } });
  expect(await weightsOf()).toEqual({ lexical: 2, dense: 0 });
  const none = await bundle.ask('PATCH', path, { weights: { lexical: 0, dense: 0 } }, ANN);
  expect(none).toMatchObject({ status: 400, body: errorOf('invalid_request', { param: 'weights' }) });
});

test('a collection of a model that no server has is refused with the models there are', async () => {
  const wanted = { name: 'mistyped', embedding_model: 'sim-embd' };
  const { status, body } = await bundle.ask('POST', `${RAG}/collections`, wanted, ANN);

  expect({ status, body }).toEqual({
    status: 404,
    body: errorOf('model_not_found', {
      param: 'embedding_model',
      message: /sim-embed/,
    }),
  });
});

let made = 0;
async function newCollection(fields: object = {}): Promise<string> {
  const name = `collection-${++made}`;
  const { status } = await bundle.ask('POST', `${RAG}/collections`, { name, ...fields }, ANN);
  expect(status).toBe(201);
  return name;
}

async function untilEnded(id: string) {
  return await waitFor(
    async () => {
      const { body } = await bundle.ask('GET', `${RAG}/ingest/jobs/${id}`, undefined, ANN);
      return body.status === 'in_progress' ? null : body;
    },
    'the ingest has ended',
    ENDED_WITHIN_MS,
  );
}

async function textsFound(collection: string, query: string): Promise<string[]> {
  const { body } = await bundle.ask('POST', `${RAG}/search`, { collection, query }, ANN);
  return body.data.map(({ text }: { text: string }) => text);
}

test('a text is taken in with 202, and found when its job has ended', async () => {
  const collection = await newCollection();
  const accepted = await bundle.ask(
    'POST',
    `${RAG}/ingest/text`,
    { collection, text: 'Owls see at night.' },
    ANN,
  );

  expect(accepted.status).toBe(202);
  expect(accepted.body).toMatchObject({
    object: 'ingest.job',
    file_counts: { total: 1 },
    items: [{ reason_code: null }],
  });
  expect(await untilEnded(accepted.body.id)).toMatchObject({
    status: 'completed',
    file_counts: { total: 1, completed: 1, in_progress: 0 },
    items: [{ status: 'completed', chunks_total: 1, chunks_indexed: 1 }],
  });
  expect(await textsFound(collection, 'owl')).toEqual(['Owls see at night.']);
});

test('lines of JSON are a batch, and a line that is wrong is named', async () => {
  const collection = await newCollection();
  const send = (lines: string) =>
    fetch(`${bundle.citadel.url}${RAG}/ingest/batch?collection=${collection}`, {
      method: 'POST',
      headers: { ...ANN, 'content-type': 'application/jsonl' },
      body: lines,
    });

  const good = await send('{"external_id":"a","text":"one"}\n\n{"external_id":"b","text":"two"}\n');
  const bad = await send('{"external_id":"a","text":"one"}\n{"external_id":"b"}\n');

  expect(good.status).toBe(202);
  expect(await untilEnded(((await good.json()) as { id: string }).id)).toMatchObject({
    file_counts: { completed: 2 },
  });
  expect(bad.status).toBe(400);
  expect(((await bad.json()) as { error: { message: string } }).error.message).toMatch(/^Line 2: 'text'/);
});

test('files are documents of their base names, whatever path they bring', async () => {
  const collection = await newCollection();
  const form = new FormData();
  form.set('collection', collection);
  form.append('files', new Blob(['# Bees\n\nBees dance.']), '../../etc/bees.md');
  form.append('files', new Blob(['']), 'empty.txt');
  const response = await fetch(`${bundle.citadel.url}${RAG}/ingest/files`, {
    method: 'POST',
    headers: ANN,
    body: form,
  });

  expect(response.status).toBe(202);
  const job = await untilEnded(((await response.json()) as { id: string }).id);
  expect(job.items).toMatchObject([
    { external_id: 'bees.md', status: 'completed' },
    { external_id: 'empty.txt', status: 'failed', reason_code: 'empty_file' },
  ]);
});

test('a page is fetched, and one that leads inside is refused', async () => {
  const collection = await newCollection();
  const ask = (url: string) => bundle.ask('POST', `${RAG}/ingest/url`, { collection, url }, ANN);

  const good = await ask(`${origin}/page#part`);
  const bad = await ask(`${origin}/inside`);

  expect(good.status).toBe(202);
  expect(await untilEnded(good.body.id)).toMatchObject({
    items: [{ external_id: `${origin}/page`, status: 'completed' }],
  });
  expect(await textsFound(collection, 'zebra')).toEqual(['A page about zebras.']);
  expect(bad.status).toBe(403);
  expect(bad.body).toEqual(errorOf('forbidden'));
});

test('the events of a job are numbered, and go on after the last one seen', async () => {
  const collection = await newCollection();
  const documents = ['a', 'b', 'c'].map((id) => ({ external_id: id, text: `text ${id}` }));
  const { body } = await bundle.ask('POST', `${RAG}/ingest/batch`, { collection, documents }, ANN);
  await untilEnded(body.id);
  const url = `${bundle.citadel.url}${RAG}/ingest/jobs/${body.id}/events`;

  const all = await readEventStream(url);
  const rest = await readEventStream(url, 2);
  await Promise.all([all.ended, rest.ended]);

  expect(durable(all.events).map(({ id, type }) => [id, type])).toEqual([
    [1, 'item.completed'],
    [2, 'item.completed'],
    [3, 'item.completed'],
    [4, 'ingest.completed'],
  ]);
  expect(durable(rest.events).map(({ id }) => id)).toEqual([3, 4]);
});

test('a collection is there for its key, admins, and others only where it is shared', async () => {
  const own = await newCollection();
  const shared = await newCollection({ shared: true });
  const text = { collection: shared, text: 'x' };

  expect((await bundle.ask('GET', `${RAG}/collections/${own}`, undefined, BOB)).status).toBe(404);
  expect((await bundle.ask('GET', `${RAG}/collections/${own}`)).status).toBe(200);
  expect((await bundle.ask('GET', `${RAG}/collections/${shared}`, undefined, BOB)).status).toBe(200);
  expect((await bundle.ask('POST', `${RAG}/ingest/text`, text, BOB)).status).toBe(403);
  expect((await bundle.ask('POST', `${RAG}/collections`, { name: own }, BOB)).status).toBe(409);
  const listed = await bundle.ask('GET', `${RAG}/collections?limit=100`, undefined, BOB);
  expect(listed.body.data.map(({ name }: { name: string }) => name)).toEqual([shared]);
});

test('a job is its key’s own', async () => {
  const collection = await newCollection();
  const { body } = await bundle.ask('POST', `${RAG}/ingest/text`, { collection, text: 'mine' }, ANN);

  expect((await bundle.ask('GET', `${RAG}/ingest/jobs/${body.id}`, undefined, BOB)).status).toBe(404);
});

test('jobs are listed newest first, in pages and by collection, to their key and to admins', async () => {
  const [one, other] = [await newCollection(), await newCollection()];
  const ids: string[] = [];
  for (const collection of [one, other, one]) {
    const sent = await bundle.ask('POST', `${RAG}/ingest/text`, { collection, text: 'A zebra.' }, ANN);
    ids.unshift(sent.body.id);
    await untilEnded(sent.body.id);
  }
  const listed = async (query: string, headers = ANN) =>
    (await bundle.ask('GET', `${RAG}/ingest/jobs?${query}`, undefined, headers)).body;

  const first = await listed('limit=2');
  expect(first).toMatchObject({ object: 'list', has_more: true, last_id: ids[1] });
  expect(first.data).toMatchObject([
    { id: ids[0], object: 'ingest.job', status: 'completed', file_counts: { total: 1 } },
    { id: ids[1] },
  ]);
  expect((await listed(`limit=1&after=${ids[1]}`)).data).toMatchObject([{ id: ids[2] }]);
  expect((await listed(`collection=${one}`, BOSS)).data).toMatchObject([{ id: ids[0] }, { id: ids[2] }]);
  const foreign = (await listed('limit=100', BOB)).data.map(({ id }: { id: string }) => id);
  expect(ids.filter((id) => foreign.includes(id))).toEqual([]);
});

test('the same Idempotency-Key finds the same job', async () => {
  const collection = await newCollection();
  const headers = { ...ANN, 'idempotency-key': `key-${collection}` };
  const first = await bundle.ask('POST', `${RAG}/ingest/text`, { collection, text: 'once' }, headers);
  const again = await bundle.ask('POST', `${RAG}/ingest/text`, { collection, text: 'once' }, headers);
  const other = await bundle.ask('POST', `${RAG}/ingest/text`, { collection, text: 'other' }, headers);

  expect(again.body.id).toBe(first.body.id);
  expect(other.status).toBe(422);
});

test('a webhook tells of a job that has ended', async () => {
  hooks = [];
  const collection = await newCollection();
  const webhook = { url: `${origin}/hook` };
  const { body } = await bundle.ask('POST', `${RAG}/ingest/text`, { collection, text: 'told', webhook }, ANN);

  await waitFor(() => hooks.length > 0, 'the webhook', ENDED_WITHIN_MS);

  expect(hooks).toMatchObject([{ type: 'ingest.completed', data: { id: body.id, status: 'completed' } }]);
});

test('documents are listed, shown and deleted, and a deleted one is found no more', async () => {
  const collection = await newCollection();
  const { body } = await bundle.ask(
    'POST',
    `${RAG}/ingest/text`,
    { collection, text: 'Newts swim.', title: 'Newts' },
    ANN,
  );
  await untilEnded(body.id);
  const path = `${RAG}/collections/${collection}/documents`;
  const [document] = (await bundle.ask('GET', path, undefined, ANN)).body.data;

  expect(document).toMatchObject({ title: 'Newts', status: 'completed', searchable: true, chunk_count: 1 });
  expect((await bundle.ask('GET', `${path}/${document.id}`, undefined, ANN)).body).toEqual(document);
  expect((await bundle.ask('DELETE', `${path}/${document.id}`, undefined, ANN)).body).toMatchObject({
    deleted: true,
  });
  expect(await textsFound(collection, 'newts')).toEqual([]);
  expect((await bundle.ask('GET', `${path}/${document.id}`, undefined, ANN)).status).toBe(404);
});

test('another chunking is built and switched to, and back', async () => {
  const collection = await newCollection();
  const sentences = Array.from({ length: 12 }, (_, n) => `Sentence ${n} is about lions and tigers.`).join(
    ' ',
  );
  const { body } = await bundle.ask('POST', `${RAG}/ingest/text`, { collection, text: sentences }, ANN);
  await untilEnded(body.id);
  const path = `${RAG}/collections/${collection}`;
  const until = (chunks: (count: number) => boolean) =>
    waitFor(
      async () => {
        const { body: view } = await bundle.ask('GET', path, undefined, ANN);
        return view.reindex === null && chunks(view.chunk_count);
      },
      'the switch',
      ENDED_WITHIN_MS,
    );

  await bundle.ask('PATCH', path, { chunk: { tokens: 20, overlap: 0 } }, ANN);
  await until((count) => count > 3);
  expect(await bundle.ask('POST', `${path}/switch`, undefined, ANN)).toMatchObject({
    status: 409,
    body: errorOf('conflict', { message: /No other index is being built/ }),
  });
  expect((await bundle.ask('POST', `${path}/switch`, undefined, BOB)).status).toBe(404);
  await bundle.ask('POST', `${path}/rollback`, undefined, ANN);
  await until((count) => count === 1);
});

test('a run takes documents in and finds them', async () => {
  const collection = await newCollection();
  const definition = {
    name: 'reader',
    steps: [
      { id: 'take', type: 'ingest', collection, documents: [{ external_id: 'a', text: 'Moles dig.' }] },
      { id: 'look', type: 'retrieve', after: ['take'], collection, query: 'moles' },
    ],
    output: {
      counts: '${{ steps.take.output.file_counts }}',
      found: '${{ steps.look.output.data[0].text }}',
    },
  };
  const { body } = await bundle.ask('POST', RUNS, { definition, input: {} }, ANN);

  expect((await bundle.untilEnded(`${RUNS}/${body.id}`)).output).toMatchObject({
    counts: { total: 1, completed: 1 },
    found: 'Moles dig.',
  });
});

test.each<[string, string, object, number, 'invalid_request' | 'not_found', string]>([
  ['a name that leads elsewhere', 'collections', { name: '../x' }, 400, 'invalid_request', 'name'],
  [
    'an overlap that is too large',
    'collections',
    { name: 'y', chunk: { tokens: 50, overlap: 50 } },
    400,
    'invalid_request',
    'chunk',
  ],
  [
    'a collection that is not there',
    'ingest/text',
    { collection: 'nowhere', text: 'x' },
    404,
    'not_found',
    'collection',
  ],
  ['an empty batch', 'ingest/batch', { collection: 'x', documents: [] }, 400, 'invalid_request', 'documents'],
  [
    'a URL of a file',
    'ingest/url',
    { collection: 'x', url: 'file:///etc/passwd' },
    404,
    'not_found',
    'collection',
  ],
])('%s is refused', async (_, path, body, status, code, param) => {
  const answer = await bundle.ask('POST', `${RAG}/${path}`, body, ANN);

  expect(answer.status).toBe(status);
  expect(answer.body).toEqual(errorOf(code, { param }));
});
