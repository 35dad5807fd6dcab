import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { chat } from '../support/citadel.ts';
import { waitFor } from '../support/wait-for.ts';
import { errorOf, START_LIMIT_MS } from './setup.ts';
import { BAD_MODEL, JOBS, setupWork, type WorkBundle } from './work-bundle.ts';

const MODEL = 'sim:tokens=3';

let work: WorkBundle;

// Without API keys: whoever calls is the operator.
beforeAll(async () => {
  work = await setupWork({ models: [MODEL, BAD_MODEL] });
}, START_LIMIT_MS);
afterAll(() => work.citadel.stop());

const submit = (kind: string, request: object) => work.ask('POST', JOBS, { kind, request });

describe('calls whose callers waited', () => {
  const listed = async (query: string) => (await work.ask('GET', `${JOBS}?${query}`)).body;
  const idsOf = ({ data }: { data: { id: string }[] }) => data.map(({ id }) => id);

  async function chatNow(model: string): Promise<string> {
    const answer = await work.citadel.post('/v1/chat/completions', chat(model));
    await answer.text();
    const id = answer.headers.get('x-citadel-job-id') ?? 'none';
    await waitFor(async () => (await work.ask('GET', `${JOBS}/${id}`)).status === 200, 'the ledger has it');
    return id;
  }

  test('are listed among accepted jobs, each request once, page by page', async () => {
    const ids: string[] = [];
    for (let turn = 0; turn < 2; turn++) {
      ids.unshift(await chatNow(MODEL));
      const { id } = (await submit('chat', chat(MODEL))).body;
      await work.untilEnded(`${JOBS}/${id}`);
      ids.unshift(id);
    }

    expect(idsOf(await listed('model=sim:tokens%3D3'))).toEqual(ids);
    const pages: string[] = [];
    for (let after = ''; pages.length < ids.length; after = `&after=${pages.at(-1)}`) {
      const page = await listed(`model=sim:tokens%3D3&limit=1${after}`);
      pages.push(...idsOf(page));
      expect(page.has_more).toBe(pages.length < ids.length);
    }
    expect(pages).toEqual(ids);
    expect(idsOf(await listed('model=sim:tokens%3D3&mode=interactive'))).toEqual([ids[1], ids[3]]);
    expect(idsOf(await listed('model=sim:tokens%3D3&mode=accepted'))).toEqual([ids[0], ids[2]]);
  });

  test('are found by status, kind and time, and shown with what the ledger knows', async () => {
    const since = new Date().toISOString();
    const id = await chatNow(BAD_MODEL);

    const found = await listed(`status=failed&kind=chat&mode=interactive&since=${since}`);
    expect(found.data).toMatchObject([
      {
        ...{ id, object: 'job', mode: 'interactive', kind: 'chat', model: BAD_MODEL, status: 'failed' },
        ...{ key_name: null, error: { code: 'invalid_request' }, links: { self: `${JOBS}/${id}` } },
      },
    ]);
    for (const query of ['status=succeeded', 'status=running', 'kind=workflow', 'key=nobody']) {
      expect(idsOf(await listed(`${query}&since=${since}`))).toEqual([]);
    }
    const { body } = await work.ask('GET', `${JOBS}/${id}`);
    expect(body.timeline).toMatchObject([
      { event: 'queued', at: body.created_at },
      { event: 'attempt', server: 'sim', attempt: 1 },
      { event: 'failed', at: body.finished_at, reason: 'invalid_request' },
    ]);
    for (const [method, path] of [
      ['GET', 'events'],
      ['POST', 'cancel'],
      ['POST', 'retry'],
    ] as const) {
      expect(await work.ask(method, `${JOBS}/${id}/${path}`)).toMatchObject({
        status: 409,
        body: errorOf('conflict'),
      });
    }
  });
});
