import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { chat } from '../support/citadel.ts';
import { waitFor } from '../support/wait-for.ts';
import { errorOf, START_LIMIT_MS } from './setup.ts';
import {
  BRIEF_MODEL,
  CHAT_MODEL,
  durable,
  JOBS,
  RUNS,
  readEventStream,
  SLOW_MODEL,
  setupWork,
  textOf,
  type WorkBundle,
} from './work-bundle.ts';

let work: WorkBundle;

beforeAll(async () => {
  work = await setupWork();
}, START_LIMIT_MS);
afterAll(() => work.citadel.stop());

async function startChat(model: string) {
  const messages = [{ role: 'user', content: 'Hi' }];
  const definition = { name: 'said', steps: [{ id: 'draft', type: 'chat', model, messages }] };
  const { body } = await work.ask('POST', RUNS, { definition });
  return { path: `${RUNS}/${body.id}`, url: `${work.citadel.url}${RUNS}/${body.id}/events` };
}

describe('the events of a run', () => {
  test('come as they happen, numbered from 1 without gaps, with what its models say between them, and end with its end', async () => {
    const { path, url } = await startChat(BRIEF_MODEL);

    const { response, events, ended } = await readEventStream(url);
    await ended;

    expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/);
    expect(durable(events).map(({ id, type }) => [id, type])).toEqual([
      [1, 'run.started'],
      [2, 'step.started'],
      [3, 'step.succeeded'],
      [4, 'run.succeeded'],
    ]);
    expect(events[1]?.data).toEqual({ step: 'draft', attempt: 1, at: expect.stringMatching(/^\d{4}-/) });
    const { steps } = (await work.ask('GET', path)).body;
    expect(textOf(events)).toBe(steps[0].output.text);
    const deltas = events.filter(({ id }) => id === null);
    expect(deltas.length).toBeGreaterThan(3);
    expect(deltas[0]?.data).toMatchObject({ step: 'draft', attempt: 1, offset: 0 });
    expect(events.at(-1)?.type).toBe('run.succeeded');
  });

  test('go on after the one that the reader had last, and none is told twice', async () => {
    const { url } = await startChat(BRIEF_MODEL);
    const first = await readEventStream(url);
    await waitFor(() => durable(first.events).length >= 2, 'the step has begun');
    first.leave();
    await first.ended;
    const seen = durable(first.events).at(-1)?.id ?? 0;

    const second = await readEventStream(url, seen);
    await second.ended;

    const ids = [...durable(first.events), ...durable(second.events)].map(({ id }) => id);
    expect(ids).toEqual([1, 2, 3, 4]);
  });

  test('begin with what a model has said so far, for who comes later', async () => {
    const { path, url } = await startChat(BRIEF_MODEL);
    await waitFor(() => work.citadel.model.openCalls() === 1, 'the model speaks');

    const { events, ended } = await readEventStream(url, 2);
    await ended;

    const { steps } = (await work.ask('GET', path)).body;
    expect(textOf(events)).toBe(steps[0].output.text);
  });

  test('of a run that has ended are all there, and none after the last', async () => {
    const { path, url } = await startChat(CHAT_MODEL);
    await work.untilEnded(path);

    const all = await readEventStream(url);
    const none = await readEventStream(url, 4);
    await Promise.all([all.ended, none.ended]);

    expect(durable(all.events).map(({ id }) => id)).toEqual([1, 2, 3, 4]);
    expect(none.response.status).toBe(200);
    expect(none.events).toEqual([]);
  });

  test('are refused after what is no event id', async () => {
    const { path } = await startChat(CHAT_MODEL);

    const answer = await work.ask('GET', `${path}/events`, undefined, { 'last-event-id': 'two' });

    expect(answer).toMatchObject({
      status: 400,
      body: errorOf('invalid_request', { param: 'Last-Event-ID' }),
    });
  });

  test('end for a reader that leaves, and the run goes on', async () => {
    const { path, url } = await startChat(SLOW_MODEL);
    const { events, leave, ended } = await readEventStream(url);
    await waitFor(() => events.length > 2, 'something was said');

    leave();
    await ended;

    expect(work.citadel.model.openCalls()).toBe(1);
    expect((await work.ask('POST', `${path}/cancel`)).status).toBe(200);
  });
});

test('the events of a job are named after it, and the deltas of one that streams are the chunks of its answer', async () => {
  const { body } = await work.ask('POST', JOBS, {
    kind: 'chat',
    request: chat(BRIEF_MODEL, 'Hello', { stream: true }),
  });

  const { events, ended } = await readEventStream(`${work.citadel.url}${JOBS}/${body.id}/events`);
  await ended;

  expect(durable(events).map(({ type }) => type)).toEqual([
    'job.started',
    'step.started',
    'step.succeeded',
    'job.succeeded',
  ]);
  const said = textOf(events)
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).choices[0].delta.content ?? '')
    .join('');
  const { result } = await work.untilEnded(`${JOBS}/${body.id}`);
  expect(said).toBe(result.choices[0].message.content);
});
