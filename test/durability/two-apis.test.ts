import { expect, test } from '@jest/globals';
import { createPgPool } from '../../storage/pg-pool.ts';
import { durable, JOBS, RUNS, readEventStream, textOf } from '../api/work-bundle.ts';
import { chat } from '../support/citadel.ts';
import { type FleetProcess, withFleet } from '../support/citadel-fleet.ts';
import { postgresService, startPostgres } from '../support/postgres.ts';
import { redisService } from '../support/redis.ts';
import { describeWith } from '../support/services.ts';
import { waitFor } from '../support/wait-for.ts';

/** Two seconds to its end. */
const MODEL = 'sim:token=40+tokens=50';
const CHAT = '/v1/chat/completions';
const TEST_LIMIT_MS = 120_000;
const TAKEN_WITHIN_MS = 45_000;
const WORKER = { args: ['--class', 'lightweight,ingest'] };

async function call(api: FleetProcess, body: object, key: string) {
  const response = await fetch(api.url + CHAT, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': key },
    body: JSON.stringify(body),
  });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

async function submit(api: FleetProcess, path: string, body: object): Promise<string> {
  const answer = JSON.parse(await (await api.post(path, body)).text());
  return `${path}/${answer.id}`;
}

describeWith(redisService, 'with two API processes', () => {
  describeWith(postgresService, 'on one Redis and one Postgres', () => {
    test(
      'a reader of events goes on at the other one, a call is joined there, a pause holds for both, and a worker takes in what both leave',
      async () => {
        const postgres = await startPostgres();
        try {
          const env = { DATABASE_URL: postgres?.url ?? '' };
          await withFleet({ models: [MODEL], env }, async ({ start, model }) => {
            const [one, other] = await Promise.all([start('api'), start('api'), start('worker', WORKER)]);
            await resumeElsewhere(one, other);
            const calls = () => model.requests.filter(({ method }) => method === 'POST').length;
            await joinElsewhere(one, other, calls);
            await pauseForBoth(one, other);
            await takeInElsewhere(one, other, env.DATABASE_URL);
          });
        } finally {
          await postgres?.stop();
        }
      },
      TEST_LIMIT_MS,
    );
  });
});

async function pauseForBoth(one: FleetProcess, other: FleetProcess): Promise<void> {
  await one.post('/api/v1/queues/lightweight/pause', {});
  const { body } = await other.post(CHAT, chat(MODEL, 'wait', { stream: true }));
  let text = '';
  for await (const part of body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += part;
    // Once is enough: it is let go by the other process.
    if (text.includes('paused=true') && !text.includes('data:')) {
      await one.post('/api/v1/queues/lightweight/resume', {});
    }
  }
  expect(text).toMatch(/^: queued position=1 paused=true\n[\s\S]*data: \[DONE\]\n\n$/);
}

/** Frozen, an API process takes in nothing; what it had begun is another's when its lease is over. */
async function takeInElsewhere(one: FleetProcess, other: FleetProcess, database: string): Promise<void> {
  const documents = ['a', 'b', 'c'].map((external_id) => ({
    external_id,
    text: `All about ${external_id}.`,
  }));
  await one.post('/api/v1/rag/collections', { name: 'left' });
  const job = await submit(other, '/api/v1/rag/ingest/batch', { collection: 'left', documents });
  for (const { kill } of [one, other]) kill('SIGSTOP');
  const pool = createPgPool(database);
  try {
    await waitFor(
      async () => {
        const { rows } = await pool.query<{ n: number }>(
          'SELECT count(*)::integer AS n FROM citadel.document WHERE active_generation IS NOT NULL',
        );
        return rows[0]?.n === documents.length;
      },
      'the worker takes them in',
      TAKEN_WITHIN_MS,
    );
  } finally {
    await pool.close();
    for (const { kill } of [one, other]) kill('SIGCONT');
  }
  const path = job.replace('/batch/', '/jobs/');
  expect(JSON.parse(await (await one.get(path)).text())).toMatchObject({ status: 'completed' });
}

async function resumeElsewhere(one: FleetProcess, other: FleetProcess): Promise<void> {
  const steps = ['a', 'b'].map((id) => ({ id, type: 'chat', ...chat(MODEL) }));
  const definition = { name: 'two', steps: [steps[0], { ...steps[1], after: ['a'] }] };
  const path = await submit(one, RUNS, { definition });
  const first = await readEventStream(`${one.url}${path}/events`);
  await waitFor(() => durable(first.events).length >= 2, 'the first step has begun');
  first.leave();
  await first.ended;

  const second = await readEventStream(`${other.url}${path}/events`, durable(first.events).at(-1)?.id ?? 0);
  await second.ended;

  const all = [...durable(first.events), ...durable(second.events)];
  expect(all.map(({ id, type }) => [id, type])).toEqual([
    [1, 'run.started'],
    [2, 'step.started'],
    [3, 'step.succeeded'],
    [4, 'step.started'],
    [5, 'step.succeeded'],
    [6, 'run.succeeded'],
  ]);
  // What the model says comes over the bus, wherever the step runs.
  const run = JSON.parse(await (await other.get(path)).text());
  const saidByB = second.events.filter(({ data }) => data.step === 'b');
  expect(textOf(saidByB)).toBe(run.steps[1].output.text);
}

async function joinElsewhere(one: FleetProcess, other: FleetProcess, calls: () => number): Promise<void> {
  const before = calls();
  const body = chat(MODEL, 'Hello');

  const [first, second] = await Promise.all([call(one, body, 'k'), call(other, body, 'k')]);
  const third = await call(other, body, 'k');

  expect([first.status, second.status, third.status]).toEqual([200, 200, 200]);
  expect([second.text, third.text]).toEqual([first.text, first.text]);
  expect(calls() - before).toBe(1);
  expect(third.headers.get('idempotent-replayed')).toBe('true');
  const jobs = JSON.parse(await (await other.get(JOBS)).text());
  expect(jobs.data).toHaveLength(1);
}
