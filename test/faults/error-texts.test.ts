import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { chat, MANY_RETRIES, startTestCitadel, type TestCitadel } from '../support/citadel.ts';

const TEXTS = {
  'sim:bad-request': {
    message: 'The messages are not acceptable.',
    type: 'BadRequestError',
    param: 'messages',
    code: '400',
  },
  'sim:context-length': {
    message: "This model's maximum context length is 4096 tokens.",
    type: 'invalid_request_error',
    param: 'messages',
    code: 'context_length_exceeded',
  },
};
const TELLTALES = ['sim:unauthorized', 'sim:html', 'sim:refuse', 'sim:error-500'];

let citadel: TestCitadel;

beforeAll(async () => {
  const models = [...Object.keys(TEXTS), ...TELLTALES];
  citadel = await startTestCitadel({ env: MANY_RETRIES, models });
}, 60_000);

afterAll(async () => {
  await citadel?.stop();
});

describe('a server that goes wrong', () => {
  test.each(
    Object.entries(TEXTS).flatMap(([model, error]) =>
      [false, true].map((stream) => ({ model, error, stream })),
    ),
  )(
    'has its own words passed on where the request was at fault ($model, stream: $stream)',
    async ({ model, error, stream }) => {
      const response = await citadel.post('/v1/chat/completions', chat(model, 'Hi', { stream }));
      expect(await response.json()).toEqual({ error });
    },
  );

  test.each(TELLTALES)('never shows its key, its address or its HTML in an error (%s)', async (model) => {
    const text = await (await citadel.post('/v1/chat/completions', chat(model))).text();
    expect(text).not.toMatch(/Incorrect API key|nginx|127\.0\.0\.1|ECONN/);
  });
});
