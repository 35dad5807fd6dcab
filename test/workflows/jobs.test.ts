import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { newMessageId, type RunId } from '../../core/ids.ts';
import { createPgPool } from '../../storage/pg-pool.ts';
import type { CallRequest, RunDelta } from '../../workflows/runs.ts';
import { START_LIMIT_MS } from '../api/setup.ts';
import { chat } from '../support/citadel.ts';
import { postgresService, startPostgres } from '../support/postgres.ts';
import { describeWith } from '../support/services.ts';
import { waitFor } from '../support/wait-for.ts';
import { ask, MODEL, type RunBundle, SLOW, setupRuns } from './run-bundle.ts';

let bundle: RunBundle;

beforeAll(async () => {
  bundle = await setupRuns();
}, START_LIMIT_MS);

afterAll(() => bundle?.stop());

const chatJob = (body: object | string, rest: Partial<CallRequest> = {}): CallRequest => ({
  kind: 'chat',
  body: typeof body === 'string' ? body : JSON.stringify(body),
  keyName: null,
  ...rest,
});

const lastBody = () => bundle.citadel.model.requests.findLast(({ method }) => method === 'POST')?.body ?? '';

describe('a job', () => {
  test("is the caller's request, to the letter, and its result the endpoint's answer", async () => {
    const body = `{"seed":12345678901234567890, "model":"${MODEL}","messages":[{"role":"user","content":"Hi"}]}`;

    const { run } = await bundle.runs.submit(chatJob(body, { metadata: { mine: 1 } }));

    expect(run).toMatchObject({
      id: expect.stringMatching(/^job_/),
      kind: 'job',
      workflow: 'chat',
      metadata: { mine: 1 },
    });
    expect(await bundle.finish(run.id)).toMatchObject({
      status: 'succeeded',
      output: { object: 'chat.completion', choices: [{ message: { role: 'assistant' } }] },
    });
    expect(lastBody()).toContain('12345678901234567890');
    const seen = bundle.citadel.model.requests.findLast(({ method }) => method === 'POST');
    expect(seen?.headers['idempotency-key']).toBe(`${run.id}/call`);
    expect((await bundle.runs.list({ kind: 'job', limit: 1 })).runs).toMatchObject([{ id: run.id }]);
    expect(await bundle.runs.attempts(run.id)).toMatchObject([{ facts: { server: 'sim', model: MODEL } }]);
  });

  test('embeds, completes, and runs workflows', async () => {
    const embedding = await bundle.runs.submit({
      ...chatJob({ model: 'sim-embed', input: ['a', 'b'] }),
      kind: 'embedding',
    });
    const completion = await bundle.runs.submit({
      ...chatJob({ model: MODEL, prompt: 'Once' }),
      kind: 'completion',
    });
    const workflow = await bundle.runs.submit({
      kind: 'workflow',
      workflow: {
        definition: { name: 'twice', steps: [{ id: 't', type: 'transform', value: '${{ input.n * 2 }}' }] },
      },
      input: { n: 4 },
      keyName: null,
    });

    expect(await bundle.finish(embedding.run.id)).toMatchObject({
      output: { object: 'list', data: [{}, {}] },
    });
    expect(await bundle.finish(completion.run.id)).toMatchObject({ output: { object: 'text_completion' } });
    expect(await bundle.finish(workflow.run.id)).toMatchObject({ status: 'succeeded', output: 8 });
    const [step] = (await bundle.runs.get(workflow.run.id))?.steps ?? [];
    expect(await bundle.runs.summary(step?.childRunId as RunId)).toMatchObject({
      workflow: 'twice',
      status: 'succeeded',
    });
  });

  test('for a model that is not there is refused', async () => {
    await expect(bundle.runs.submit(chatJob(chat('nobody')))).rejects.toMatchObject({
      code: 'model_not_found',
    });
  });

  test('that was answered badly has failed with the reason, and can be tried again', async () => {
    const { run } = await bundle.runs.submit(chatJob(chat('sim:bad-request')));

    expect(await bundle.finish(run.id)).toMatchObject({ status: 'failed', error: { class: 'fatal' } });
    await bundle.runs.retry(run.id);
    expect(await bundle.finish(run.id)).toMatchObject({ status: 'failed' });
    expect((await bundle.runs.get(run.id))?.steps).toMatchObject([{ attempt: 2 }]);
  });

  test('with an idempotency key is one job, however often it is sent, and another body is refused', async () => {
    const key = newMessageId();
    const send = (bodyHash: string) =>
      bundle.runs.submit(chatJob(chat(MODEL), { idempotency: { key, bodyHash } }));

    const sent = await Promise.all([1, 2, 3, 4].map(() => send('same')));

    expect(new Set(sent.map(({ run }) => run.id)).size).toBe(1);
    expect(sent.filter(({ replayed }) => !replayed)).toHaveLength(1);
    await expect(send('other')).rejects.toMatchObject({ code: 'idempotency_mismatch' });
    await bundle.finish(sent[0]?.run.id as RunId);
    expect((await send('same')).replayed).toBe(true);
  });
});

describe('a call of a run', () => {
  test('is heard as it is made by those who watch, from its beginning, and each piece once', async () => {
    const id = await bundle.start({ steps: [{ id: 'a', ...ask('Talk.', SLOW) }] });
    const heard = { text: '', parts: new Set<number>() };
    const onDelta = ({ part, offset, text }: RunDelta) => {
      heard.parts.add(part);
      if (offset + text.length > heard.text.length) heard.text += text.slice(heard.text.length - offset);
    };
    const news: number[] = [];
    await waitFor(() => bundle.citadel.model.requests.some(({ model }) => model === SLOW), 'it has begun');

    const end = bundle.runs.watch(id, { onNews: (seq) => news.push(seq), onDelta });
    await waitFor(() => heard.text.length > 100, 'some of it is heard');
    await bundle.runs.cancel(id);
    await waitFor(() => news.length > 0, 'news of its end');
    end();

    expect(heard.text).toMatch(/^\w/);
    expect([...heard.parts]).toEqual([1]);
  });
});

describeWith(postgresService, 'a call of a run, in the ledger', () => {
  test(
    "is a line of its own, charged to its run's key",
    async () => {
      const postgres = await startPostgres();
      const url = postgres?.url ?? '';
      const { citadel, start, finish, runs, stop } = await setupRuns({ env: { DATABASE_URL: url } });
      const pool = createPgPool(url);
      try {
        const id = await start({ steps: [{ id: 'a', ...ask('Hello') }] }, {}, { keyName: 'one' });
        await finish(id);
        const [attempt] = await runs.attempts(id);

        const line = await waitFor(async () => {
          const { rows } = await pool.query('SELECT * FROM citadel.ledger');
          return rows[0];
        }, 'the line');

        expect(attempt?.facts).toMatchObject({ jobId: line.job_id, server: 'sim' });
        expect(line).toMatchObject({
          key_name: 'one',
          endpoint: 'chat/completions',
          model: MODEL,
          outcome: 'succeeded',
        });
        expect(Number(line.charged_tokens)).toBe(attempt?.tokens);
        expect(attempt?.tokens).toBeGreaterThan(0);
        expect((await runs.summary(id))?.tokens).toBe(attempt?.tokens);
        expect(citadel.model.requests.filter(({ method }) => method === 'POST')).toHaveLength(1);
      } finally {
        await pool.close();
        await stop();
        await postgres?.stop();
      }
    },
    START_LIMIT_MS,
  );
});
