import { describe, expect, test } from '@jest/globals';
import { AppError } from '../../../core/errors.ts';
import type { ModelCallRequest, ModelCalls } from '../../../workflows/model-calls.ts';
import { createCallStep, createChatStep, createEmbedStep } from '../../../workflows/steps/model-step.ts';
import { attemptOf, NEVER } from './attempt-bundle.ts';

const FACTS = {
  jobId: 'job_1',
  model: 'm',
  modelClass: 'lightweight',
  server: 'sim',
  calls: 1,
  queuedMs: 1,
  timeline: null,
};
const SCHEMA = { type: 'object', required: ['n'], properties: { n: { type: 'number' } } };
const CHAT = { model: 'm', messages: [{ role: 'user', content: 'A number, please.' }], temperature: 0 };

/** Models that answer with these texts, one after the other. */
function modelsThatSay(...texts: string[]) {
  const asked: ModelCallRequest[] = [];
  const models: ModelCalls = {
    requireModel: () => ({ modelClass: 'lightweight' }),
    async call(request) {
      asked.push(request);
      const content = texts[asked.length - 1] ?? '';
      request.onPieces(1, [content]);
      return { status: 'answered', body: chatAnswer(content), tokens: 10, facts: FACTS };
    },
  };
  return { models, asked };
}

function chatAnswer(content: string): string {
  const choice = { index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' };
  return JSON.stringify({ model: 'm-1', choices: [choice], usage: { total_tokens: 10 } });
}

type End = { status: 'answered'; body: string } | { status: 'failed'; error: AppError };

function modelsThatEnd(end: End, facts: Partial<typeof FACTS> = {}): ModelCalls {
  return {
    requireModel: () => ({ modelClass: 'lightweight' }),
    call: async () => ({ tokens: 0, facts: { ...FACTS, ...facts }, ...end }),
  };
}

describe('a chat step', () => {
  test('sends its fields as they are, and gives the answer in its parts', async () => {
    const { models, asked } = modelsThatSay('Seven.');
    const { attempt, said } = attemptOf({ type: 'chat' }, CHAT);

    const end = await createChatStep(models)(attempt, NEVER);

    expect(end).toMatchObject({
      status: 'succeeded',
      tokens: 10,
      output: {
        text: 'Seven.',
        json: null,
        message: { role: 'assistant', content: 'Seven.' },
        finish_reason: 'stop',
        usage: { total_tokens: 10 },
        model: 'm-1',
      },
    });
    expect(JSON.parse(asked[0]?.body ?? '')).toEqual({ ...CHAT, stream: false });
    expect(asked[0]).toMatchObject({ keyName: 'one', priority: 'normal', idempotencyKey: 'run_1/a' });
    expect(said).toEqual([{ part: 1, text: 'Seven.' }]);
  });

  test('sends its schema as the format of the answer, unless it names a format itself', async () => {
    const own = { type: 'json_object' };
    const formats = [];
    for (const fields of [CHAT, { ...CHAT, response_format: own }]) {
      const { models, asked } = modelsThatSay('{"n":7}');
      const { attempt } = attemptOf({ type: 'chat', output: { schema: SCHEMA } }, fields);
      await createChatStep(models)(attempt, NEVER);
      formats.push(JSON.parse(asked[0]?.body ?? '').response_format);
    }

    expect(formats).toEqual([{ type: 'json_schema', json_schema: { name: 'a', schema: SCHEMA } }, own]);
  });

  test('with a schema asks again with what is wrong, until the answer fits', async () => {
    const { models, asked } = modelsThatSay('Seven.', '{"n":"7"}', '```json\n{"n":7}\n```');
    const { attempt, said } = attemptOf({ type: 'chat', output: { schema: SCHEMA } }, CHAT);

    const end = await createChatStep(models)(attempt, NEVER);

    expect(end).toMatchObject({ status: 'succeeded', tokens: 30, output: { json: { n: 7 } } });
    const last = JSON.parse(asked[2]?.body ?? '').messages;
    expect(last.map(({ role }: { role: string }) => role)).toEqual([
      'user',
      'assistant',
      'user',
      'assistant',
      'user',
    ]);
    expect(last[1].content).toBe('Seven.');
    expect(last[4].content).toMatch(/does not fit/);
    expect(new Set(asked.map(({ idempotencyKey }) => idempotencyKey)).size).toBe(3);
    expect(new Set(said.map(({ part }) => part)).size).toBe(3);
  });

  test('whose answer never fits has failed with invalid_output, and counts what it used', async () => {
    const { models, asked } = modelsThatSay('no', 'no', 'no', '{"n":7}');
    const { attempt } = attemptOf({ type: 'chat', output: { schema: SCHEMA } }, CHAT);

    const end = await createChatStep(models)(attempt, NEVER);

    expect(end).toMatchObject({ status: 'failed', tokens: 30, error: { class: 'invalid_output' } });
    expect(asked).toHaveLength(3);
  });

  test.each([
    ['bad_backend', 1, 'transient'],
    ['no_healthy_server', 0, 'rate_limited'],
    ['rate_limit_exceeded', 1, 'rate_limited'],
    ['store_unavailable', 0, 'store'],
    ['deadline_exceeded', 1, 'timeout'],
    ['deadline_exceeded', 0, 'rate_limited'],
    ['invalid_request', 1, 'fatal'],
  ] as const)(
    'that failed with %s after %d calls of servers is of class %s',
    async (code, calls, failure) => {
      const error = new AppError(code, 'no', { retryAfterSeconds: 3 });
      const { attempt } = attemptOf({ type: 'chat' }, CHAT);

      const end = await createChatStep(modelsThatEnd({ status: 'failed', error }, { calls }))(attempt, NEVER);

      expect(end).toMatchObject({ status: 'failed', error: { code, class: failure, retryAfterMs: 3_000 } });
    },
  );
});

describe('an embed step', () => {
  test('gives the embeddings in the order of its inputs', async () => {
    const body = JSON.stringify({
      data: [{ embedding: [1, 2] }, { embedding: [3] }],
      usage: { total_tokens: 2 },
    });
    const { attempt } = attemptOf({ type: 'embed' }, { model: 'm', input: ['a', 'b'] });

    const end = await createEmbedStep(modelsThatEnd({ status: 'answered', body }))(attempt, NEVER);

    expect(end).toMatchObject({ output: { embeddings: [[1, 2], [3]], usage: { total_tokens: 2 } } });
  });
});

describe("a job's call", () => {
  test("sends the caller's own text, and gives the answer as its endpoint would", async () => {
    const { models, asked } = modelsThatSay('Hello');
    const body = '{"model":"m","seed":12345678901234567890,"stream":true,"messages":[]}';
    const inputText = JSON.stringify({ endpoint: 'chat/completions', body });
    const { attempt, said } = attemptOf({ type: 'call' }, {}, { inputText });

    const end = await createCallStep(models)(attempt, NEVER);

    expect(asked[0]).toMatchObject({ body, endpoint: 'chat/completions', pieces: 'chunks' });
    expect(end).toMatchObject({ status: 'succeeded', output: JSON.parse(chatAnswer('Hello')) });
    expect(said).toEqual([{ part: 1, text: 'Hello\n' }]);
  });
});
