import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { chat, startTestCitadel, type TestCitadel } from '../support/citadel.ts';
import { errorOf, START_LIMIT_MS } from './setup.ts';

let citadel: TestCitadel;

beforeAll(async () => {
  citadel = await startTestCitadel({
    env: { CITADEL_API_KEYS: 'boss:admin:the-key-of-the-boss-1,me:user:the-key-of-a-user-12' },
  });
}, START_LIMIT_MS);
afterAll(() => citadel?.stop());

const boss = { authorization: 'Bearer the-key-of-the-boss-1' };
const user = { authorization: 'Bearer the-key-of-a-user-12' };
const steer = (path: string, headers = boss) => citadel.post(`/api/v1/queues/${path}`, '', { headers });
const stateOf = async () => {
  const response = await citadel.get('/api/v1/health/queues', boss);
  const { queues } = (await response.json()) as { queues: Record<string, object> };
  return queues.lightweight;
};

test('a stream of a paused class waits and is told so, and goes on when it is resumed', async () => {
  expect(await (await steer('lightweight/pause')).json()).toEqual({
    object: 'queue',
    class: 'lightweight',
    paused: true,
  });

  const response = await citadel.post('/v1/chat/completions', chat('sim-chat', 'Hello', { stream: true }), {
    headers: user,
  });
  const [first, rest] = response.body?.tee() ?? [];
  const head = await first?.pipeThrough(new TextDecoderStream()).getReader().read();
  expect(head?.value).toBe(': queued position=1 paused=true\n\n');
  expect(await stateOf()).toMatchObject({ paused: true, waiting: 1, active: 0 });

  expect((await steer('lightweight/resume')).status).toBe(200);
  expect(await new Response(rest).text()).toMatch(/data: \[DONE\]\n\n$/);
  expect(await stateOf()).toMatchObject({ paused: false, waiting: 0 });
});

test('only an admin may, and only for a class that there is', async () => {
  const refused = await steer('lightweight/pause', user);
  expect([refused.status, await refused.json()]).toEqual([403, errorOf('forbidden')]);
  const unknown = await steer('featherweight/pause');
  expect([unknown.status, await unknown.json()]).toEqual([404, errorOf('not_found')]);
  expect((await citadel.get('/api/v1/queues/lightweight/pause', boss)).status).toBe(405);
  expect(await stateOf()).toMatchObject({ paused: false });
});
