import { describe, expect, test } from '@jest/globals';
import type { RunEvent } from '../../sdk/run-events.ts';
import { sendJson, sendStream, waitFor } from '../support/scripted-server.ts';
import { inTurn, setupClient } from './setup.ts';

const EVENTS = '/api/v1/workflows/run_1/events';

const durable = (id: number, type: string) => `id: ${id}\nevent: ${type}\ndata: {"step":"draft"}\n\n`;
const delta = (offset: number, text: string, attempt = 1) =>
  `event: delta\ndata: ${JSON.stringify({ step: 'draft', attempt, offset, text })}\n\n`;

async function collect(events: AsyncIterable<RunEvent>) {
  const all: RunEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}

/** Each event as its number, or the text of a delta. */
const summary = (events: RunEvent[]) => events.map((event) => event.id ?? event.data.text);

describe('run.events', () => {
  test('every event comes once, in order, to the last', async () => {
    const { client, server } = await setupClient({
      [EVENTS]: (res) =>
        sendStream(res, [
          ': hello\n\n',
          durable(1, 'run.started'),
          delta(0, 'On'),
          'id: 2\nevent: step.suc',
          'ceeded\ndata: {"step":"draft"}\n\n',
          durable(3, 'run.succeeded'),
        ]),
    });

    const events = await collect(client.runs.open('run_1').events());

    expect(events).toEqual([
      { id: 1, type: 'run.started', data: { step: 'draft' } },
      { id: null, type: 'delta', data: { step: 'draft', attempt: 1, part: 0, offset: 0, text: 'On' } },
      { id: 2, type: 'step.succeeded', data: { step: 'draft' } },
      { id: 3, type: 'run.succeeded', data: { step: 'draft' } },
    ]);
    expect(server.requests).toHaveLength(1);
  });

  test('a stream that breaks goes on after the last event, and no text comes twice', async () => {
    const turn = inTurn(
      [durable(1, 'run.started'), delta(0, 'Once '), delta(5, 'upon'), 'id: 2\ndata: {"cut'],
      [durable(1, 'run.started'), delta(0, 'Once upon a'), delta(11, ' time'), durable(2, 'run.succeeded')],
    );
    const { client, server } = await setupClient({ [EVENTS]: (res) => sendStream(res, turn()) });

    const events = await collect(client.runs.open('run_1').events());

    expect(summary(events)).toEqual([1, 'Once ', 'upon', ' a', ' time', 2]);
    expect(server.requests.map(({ headers }) => headers['last-event-id'])).toEqual([undefined, '1']);
  });

  test('text of another attempt begins anew, and what is left of the one before is dropped', async () => {
    const { client } = await setupClient({
      [EVENTS]: (res) =>
        sendStream(res, [
          delta(0, 'Once'),
          durable(1, 'step.reset'),
          delta(0, 'Two', 2),
          delta(4, ' upon'),
          delta(3, 'fold', 2),
          durable(2, 'run.failed'),
        ]),
    });

    const events = await collect(client.runs.open('run_1').events());

    expect(summary(events)).toEqual(['Once', 1, 'Two', 'fold', 2]);
  });

  test('a failed run that was retried is read to its last end', async () => {
    const turn = inTurn([durable(1, 'run.failed'), durable(2, 'run.retried')], [durable(3, 'run.succeeded')]);
    const { client } = await setupClient({ [EVENTS]: (res) => sendStream(res, turn()) });

    const events = await collect(client.runs.open('run_1').events());

    expect(summary(events)).toEqual([1, 2, 3]);
  });

  test('after the last event there is nothing more', async () => {
    const { client, server } = await setupClient({ [EVENTS]: (res) => sendStream(res, []) });

    const events = await collect(client.runs.open('run_1').events({ after: 7 }));

    expect(events).toEqual([]);
    expect(server.requests[0]?.headers['last-event-id']).toBe('7');
  });

  test.each([
    [503, 'store_unavailable'],
    [408, 'request_timeout'],
  ])('a server that answers %i for a moment is asked again', async (status, code) => {
    const answer = inTurn<'away' | 'there'>('away', 'there');
    const { client } = await setupClient({
      [EVENTS]: (res) =>
        answer() === 'away'
          ? sendJson(res, { error: { message: 'no', code } }, status)
          : sendStream(res, [durable(1, 'run.cancelled')]),
    });

    const events = await collect(client.runs.open('run_1').events());

    expect(summary(events)).toEqual([1]);
  });

  test('a run that is not there ends it with the error', async () => {
    const { client } = await setupClient({
      [EVENTS]: (res) => sendJson(res, { error: { message: 'No such run.', code: 'not_found' } }, 404),
    });

    await expect(collect(client.runs.open('run_1').events())).rejects.toMatchObject({
      status: 404,
      code: 'not_found',
    });
  });

  test('a reader that leaves closes its connection', async () => {
    const { client, server } = await setupClient({
      [EVENTS]: (res) => sendStream(res, [durable(1, 'run.started')], { end: false }),
    });

    for await (const event of client.runs.open('run_1').events()) {
      expect(event.id).toBe(1);
      break;
    }

    await waitFor(() => server.openCalls() === 0);
    expect(server.openCalls()).toBe(0);
  });
});
