import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { chat, MANY_RETRIES, SHORT_LIMITS, startTestCitadel, type TestCitadel } from '../support/citadel.ts';
import { waitFor } from '../support/wait-for.ts';
import { START_LIMIT_MS } from './setup.ts';

const ROUTE = '/v1/chat/completions';
const PROMPT = 'canary-7f3a';
const KEY = 'sk-canary-0123456789';
const MODELS = ['sim-chat', 'sim:error-500', 'sim:refuse', 'sim:cut-stream', 'sim:bad-request', 'sim:hang'];

let citadel: TestCitadel;

beforeAll(async () => {
  const env = { ...SHORT_LIMITS, ...MANY_RETRIES, CITADEL_API_KEYS: `app:user:${KEY}` };
  citadel = await startTestCitadel({ env, models: MODELS });
}, START_LIMIT_MS);
afterAll(() => citadel.stop());

const requestLines = () => citadel.logLines.filter((line) => line.includes(ROUTE));

test('what is logged of requests, answered or failed, has no prompt, no key and no address of a server', async () => {
  const headers = { authorization: `Bearer ${KEY}` };
  for (const model of MODELS) {
    for (const stream of [false, true]) {
      const answer = await citadel.post(ROUTE, chat(model, PROMPT, { stream }), { headers });
      await answer.text();
    }
  }
  await waitFor(() => requestLines().length >= 2 * MODELS.length, 'a line for each request');

  // What the start says of the configured servers is for their operator.
  const log = requestLines().join('');
  for (const secret of [PROMPT, KEY, String(citadel.model.port)]) expect(log).not.toContain(secret);
  const later = citadel.logLines.slice(citadel.logLines.indexOf(requestLines()[0] ?? '')).join('');
  for (const secret of [PROMPT, KEY]) expect(later).not.toContain(secret);
});
