import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { afterEach, expect, test } from '@jest/globals';
import express from 'express';
import { createHttpMetrics } from '../../api/http-metrics.ts';
import { identifyRequest } from '../../api/middleware/identify-request.ts';
import { sendRunEvents } from '../../api/run-events.ts';
import { createLogger } from '../../core/logger.ts';
import { NO_METRICS } from '../../core/metrics.ts';
import type { RunEvent, RunSummary } from '../../workflows/run-record.ts';
import { waitFor } from '../support/wait-for.ts';

const EVENTS = 4_000;
const EVENT_CHARS = 16_000;
/** What the machine keeps for a connection, and a page of events beside. */
const UNREAD_BYTES_MAX = 24_000_000;

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

/** A server of one run's events, 64 MB of them, and how many of them it has read from its store. */
async function setup() {
  const run = { id: 'run_1', kind: 'workflow', status: 'succeeded', lastSeq: EVENTS } as RunSummary;
  const text = 'x'.repeat(EVENT_CHARS);
  let readSeq = 0;
  const runs = {
    async events(_id: string, after: number, max: number): Promise<RunEvent[]> {
      readSeq = Math.min(after + max, EVENTS);
      const toEvent = (_: unknown, index: number): RunEvent => ({
        seq: after + index + 1,
        type: 'emitted',
        key: 'a',
        data: { text },
        at: new Date(0),
      });
      return Array.from({ length: readSeq - after }, toEvent);
    },
    summary: async () => run,
    watch: () => () => {},
  };
  const deps = { runs, isLeaving: () => false, keyRing: { onRevoked: () => () => {} } };
  const app = express();
  app.use(identifyRequest(createLogger({ level: 'silent' }), createHttpMetrics(NO_METRICS)));
  app.get('/events', (req, res) => sendRunEvents(deps, { req, res, run }));
  const server = createServer(app).listen(0, '127.0.0.1');
  servers.push(server);
  await new Promise((resolve) => server.once('listening', resolve));
  return { port: (server.address() as AddressInfo).port, readSeq: () => readSeq };
}

test('a reader that stops reading makes its process keep a bounded part for it, and then gets every event', async () => {
  const { port, readSeq } = await setup();
  const socket = connect(port, '127.0.0.1');
  socket.write('GET /events HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n');
  const ids: number[] = [];
  let tail = '';
  socket.setEncoding('utf8').on('data', (text: string) => {
    const lines = (tail + text).split('\n');
    // It may go on with the next text.
    tail = lines.pop() ?? '';
    for (const line of lines) if (line.startsWith('id: ')) ids.push(Number(line.slice('id: '.length)));
  });
  await waitFor(() => ids.length > 0, 'the first events');

  socket.pause();
  let before = -1;
  const hasStopped = () => {
    const isSame = readSeq() === before;
    before = readSeq();
    return isSame;
  };
  await waitFor(hasStopped, 'no more is read for it');
  const unread = (readSeq() - ids.length) * EVENT_CHARS;

  expect(unread).toBeLessThan(UNREAD_BYTES_MAX);
  expect(readSeq()).toBeLessThan(EVENTS);
  socket.resume();
  await new Promise((resolve) => socket.once('close', resolve));
  expect(ids).toEqual(Array.from({ length: EVENTS }, (_, index) => index + 1));
});
