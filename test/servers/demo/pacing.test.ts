import { request } from 'node:http';
import { describe, expect, test } from '@jest/globals';
import type { DemoServer } from '../../../servers/demo/demo-server.ts';
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
  test('the first token and those after it come when they are due', async () => {
    await using server = await setup({ simModels: true });
    const times = await timeStream(server, 'sim:first=100+token=20+tokens=10');
    expect(times).toHaveLength(13);
    const [role = 0, first = 0, second = 0] = times;
    expect(role).toBeGreaterThanOrEqual(99);
    expect(first).toBeLessThan(180);
    expect(second).toBeGreaterThanOrEqual(119);
    expect(times.at(-1)).toBeGreaterThanOrEqual(279);
    expect(times.at(-1)).toBeLessThan(400);
  });

  test('a document takes as long as its stream', async () => {
    await using server = await setup({ pacing: { firstTokenMs: 50, tokenMs: 10 }, tokens: 11 });
    const beganAt = performance.now();
    await post(`${server.url}/v1/chat/completions`, HELLO);
    expect(performance.now() - beganAt).toBeGreaterThanOrEqual(149);
    expect(performance.now() - beganAt).toBeLessThan(300);
  });

  test('the head of a stream does not wait for its first token', async () => {
    await using server = await setup({ pacing: { firstTokenMs: 5_000, tokenMs: 0 } });
    const url = `${server.url}/v1/chat/completions`;
    const { status, text } = await post(url, { ...HELLO, stream: true }, { limitMs: 200 });
    expect([status, text]).toEqual([200, '']);
  });

  test('200 streams of 50 tokens a second keep time together', async () => {
    await using server = await setup({ simModels: true });
    const name = 'sim:first=100+token=20+tokens=101';
    const streams = await Promise.all(Array.from({ length: 200 }, () => timeStream(server, name)));
    expect(streams.every((times) => times.length === 104)).toBe(true);
    // 2100 ms without drift; a step of 21 instead of 20 would end at 2200 and more.
    const ends = streams.map((times) => times.at(-1) ?? 0).sort((one, other) => one - other);
    expect(ends[0]).toBeGreaterThanOrEqual(2_099);
    expect(ends[100]).toBeLessThan(2_450);
  });
});
