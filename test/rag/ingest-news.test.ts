import { afterEach, expect, test } from '@jest/globals';
import type { InboxId } from '../../core/ids.ts';
import type { BusMessage } from '../../jobs/reply-bus.ts';
import { createLocalReplyBus } from '../../queues/local-reply-bus.ts';
import { createIngestNews, withNews } from '../../rag/ingest-news.ts';
import type { IngestWork } from '../../rag/ingest-work.ts';
import { waitFor } from '../support/wait-for.ts';

const stops: (() => void)[] = [];

afterEach(() => {
  for (const stop of stops.splice(0)) stop();
});

/** Two processes on one bus, and what goes over it. */
function setup() {
  const bus = createLocalReplyBus('inbox' as InboxId);
  const sent: BusMessage[] = [];
  bus.subscribe((message) => sent.push(message));
  const rings = { here: 0, there: 0 };
  const here = createIngestNews({ bus, onRing: () => rings.here++ });
  const there = createIngestNews({ bus, onRing: () => rings.there++ });
  stops.push(here.stop, there.stop);
  return { here, there, rings, sent };
}

test('a reader hears of its own collection, told in whichever process, until it leaves', async () => {
  const { here, there } = setup();
  const heard: string[] = [];
  const leave = there.watch('col_a', () => heard.push('a'));
  there.watch('col_b', () => heard.push('b'));

  here.tell(['col_a']);
  await waitFor(() => heard.length > 0, 'it was heard');
  expect(heard).toEqual(['a']);

  leave();
  here.tell(['col_a', 'col_b']);
  await waitFor(() => heard.length > 1, 'the other one was heard');
  expect(heard).toEqual(['a', 'b']);
});

test('what is told at once goes in one message, and only a ring makes others look for documents', async () => {
  const { here, rings, sent } = setup();
  for (let times = 0; times < 50; times++) here.tell(['col_a']);
  here.tell(['col_b']);
  await waitFor(() => sent.length > 0, 'it was sent');
  expect(sent).toEqual([{ kind: 'ingest-news', collectionIds: ['col_a', 'col_b'], hasWork: false }]);
  expect(rings).toEqual({ here: 0, there: 0 });

  here.ring();
  await waitFor(() => rings.there > 0, 'it rang');
  expect(rings).toEqual({ here: 1, there: 1 });
  expect(sent[1]).toEqual({ kind: 'ingest-news', collectionIds: [], hasWork: true });
});

test('a write is told of once it is done, and not where it failed', async () => {
  const done: string[] = [];
  const work = {
    moveOn: async () => {
      done.push('moved');
      return [];
    },
    fail: () => Promise.reject(new Error('the store is away')),
  } as unknown as IngestWork;
  const told = withNews(work, () => done.push('told'));

  await told.moveOn('index', []);
  await expect(told.fail([])).rejects.toThrow('the store is away');
  expect(done).toEqual(['moved', 'told']);
});
