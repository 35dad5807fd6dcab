import { describe, expect, test } from '@jest/globals';
import { chat, startTestCitadel, type TestCitadel } from '../support/citadel.ts';
import { rawHead, sendRaw } from './raw-http.ts';
import { START_LIMIT_MS } from './setup.ts';

const PAGE = 'https://app.example';
const KEY = 'sk-user-0123456789';
const CHAT = '/v1/chat/completions';

async function withCitadel(env: Record<string, string>, body: (citadel: TestCitadel) => Promise<void>) {
  const citadel = await startTestCitadel({ env });
  try {
    await body(citadel);
  } finally {
    await citadel.stop();
  }
}

const preflight = (citadel: TestCitadel, origin: string) =>
  fetch(citadel.url + CHAT, {
    method: 'OPTIONS',
    headers: {
      origin,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization,content-type,x-stainless-lang',
    },
  });

describe('a page elsewhere', () => {
  test(
    'may not call unless told: no answer has a word of CORS',
    () =>
      withCitadel({ CITADEL_API_KEYS: `a:user:${KEY}` }, async (citadel) => {
        const answers = [
          await preflight(citadel, PAGE),
          await citadel.get('/v1/models', { origin: PAGE, authorization: `Bearer ${KEY}` }),
        ];

        expect(answers.map(({ status }) => status)).toEqual([401, 200]);
        for (const { headers } of answers)
          expect([...headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([]);
      }),
    START_LIMIT_MS,
  );

  test(
    'may call when its very origin is named, and no other may',
    () =>
      withCitadel({ CITADEL_API_KEYS: `a:user:${KEY}`, CITADEL_CORS_ORIGINS: PAGE }, async (citadel) => {
        const asked = await preflight(citadel, PAGE);
        expect(asked.status).toBe(204);
        expect(asked.headers.get('access-control-allow-origin')).toBe(PAGE);
        expect(asked.headers.get('access-control-allow-methods')).toContain('POST');
        expect(asked.headers.get('access-control-allow-headers')).toBe(
          'authorization,content-type,x-stainless-lang',
        );
        expect(asked.headers.get('access-control-allow-credentials')).toBeNull();
        expect(asked.headers.get('vary')?.toLowerCase()).toContain('origin');

        const headers = { origin: PAGE, authorization: `Bearer ${KEY}` };
        const answer = await citadel.post(CHAT, chat('sim-chat', 'Hi', { stream: true }), { headers });
        expect(answer.status).toBe(200);
        expect(answer.headers.get('access-control-allow-origin')).toBe(PAGE);
        expect(answer.headers.get('access-control-expose-headers')).toContain('x-request-id');
        await answer.text();
        const refused = await citadel.post(CHAT, chat('sim-chat'), { headers: { origin: PAGE } });
        expect(refused.status).toBe(401);
        expect(refused.headers.get('access-control-allow-origin')).toBe(PAGE);

        for (const origin of [
          'https://app.example.evil',
          'http://app.example',
          'null',
          'https://APP.example',
        ]) {
          const other = await preflight(citadel, origin);
          expect(other.headers.get('access-control-allow-origin')).toBeNull();
          expect(other.status).toBe(401);
        }
      }),
    START_LIMIT_MS,
  );

  test(
    'that is named may call without keys, too, while another is refused',
    () =>
      withCitadel({ CITADEL_CORS_ORIGINS: PAGE }, async (citadel) => {
        const ask = (origin: string) =>
          sendRaw(citadel.url, rawHead('GET /v1/models', { host: 'localhost', origin }));

        expect((await ask(PAGE)).status).toBe(200);
        expect((await ask('https://other.example')).status).toBe(403);
      }),
    START_LIMIT_MS,
  );
});
