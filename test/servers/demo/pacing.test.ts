import { request } from 'node:http';
import { describe, expect, test } from '@jest/globals';
import type { DemoServer } from '../../../servers/demo/demo-server.ts';
import { expectWithin, inTime, timeOf } from '../../support/in-time.ts';
import { eventsOf, HELLO, post, setup } from './setup.ts';

/** When each event of a stream came, in ms since the request. */
function timeStream(server: DemoServer, model: string): Promise<number[]> {
  return new Promise((resolve, reject) => {
    const beganAt = performance.now();
    const times: number[] = [];
    const req = request(`${server.url}/v1/chat/completions`, { method: 'POST', agent: false }, (res) => {
      res.setEncoding('utf8');
      res.on('data', (text: string) => {
        const at = performance.now() - beganAt;
        times.push(...eventsOf(text).map(() => at));
      });
      res.on('end', () => resolve(times));
    });
    req.on('error', reject);
    req.end(JSON.stringify({ ...HELLO, model, stream: true }));
  });
}

describe('pacing', () => {
  test('the first token and those after it come when they are due', () =>
    inTime(async () => {
      await using server = await setup({ simModels: true });
      const times = await timeStream(server, 'sim:first=100+token=20+tokens=10');
      expect(times).toHaveLength(13);
      const [role = 0, first = 0, second = 0] = times;
      expect(role).toBeGreaterThanOrEqual(99);
      expect(second).toBeGreaterThanOrEqual(119);
      expect(times.at(-1)).toBeGreaterThanOrEqual(279);
      expectWithin(180, first);
      expectWithin(400, times.at(-1) ?? Number.POSITIVE_INFINITY);
    }));

  test('a document takes as long as its stream', () =>
    inTime(async () => {
      await using server = await setup({ pacing: { firstTokenMs: 50, tokenMs: 10 }, tokens: 11 });
      const tookMs = await timeOf(() => post(`${server.url}/v1/chat/completions`, HELLO));
      expect(tookMs).toBeGreaterThanOrEqual(149);
      expectWithin(300, tookMs);
    }));

  test('the head of a stream does not wait for its first token', async () => {
    await using server = await setup({ pacing: { firstTokenMs: 60_000, tokenMs: 0 } });
    const url = `${server.url}/v1/chat/completions`;
    const { status, text } = await post(url, { ...HELLO, stream: true }, { limitMs: 1_000 });
    expect([status, text]).toEqual([200, '']);
  });

  test('200 streams of 50 tokens a second keep time together', () =>
    inTime(async () => {
      await using server = await setup({ simModels: true });
      const name = 'sim:first=100+token=20+tokens=101';
      const streams = await Promise.all(Array.from({ length: 200 }, () => timeStream(server, name)));
      expect(streams.every((times) => times.length === 104)).toBe(true);
      // 2100 ms without drift; a step of 21 instead of 20 would end at 2200 and more.
      const ends = streams.map((times) => times.at(-1) ?? 0).sort((one, other) => one - other);
      expect(ends[0]).toBeGreaterThanOrEqual(2_099);
      expectWithin(2_450, ends[100] ?? Number.POSITIVE_INFINITY);
    }));
});
