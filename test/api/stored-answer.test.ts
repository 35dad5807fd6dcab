import { describe, expect, test } from '@jest/globals';
import { createSentParts, usageChunkOf } from '../../api/stored-answer.ts';

const HEAD = { id: 'chatcmpl-1', created: 7, model: 'm' };
const MESSAGE = { role: 'assistant', content: 'One two three' };

function chatOf(message: object = MESSAGE, rest: object = {}) {
  const choices = [{ index: 0, message, finish_reason: 'stop' }];
  return { ...HEAD, object: 'chat.completion', choices, ...rest };
}

const chunkOf = (delta: object, reason: string | null = null, index = 0) =>
  JSON.stringify({
    ...HEAD,
    object: 'chat.completion.chunk',
    choices: [{ index, delta, finish_reason: reason }],
  });

function restAfter(chunks: string[], answer: unknown): unknown[] | null {
  const sent = createSentParts();
  for (const chunk of chunks) sent.add(chunk);
  return sent.restOf(answer)?.map((chunk) => JSON.parse(chunk)) ?? null;
}

const choicesIn = (chunks: unknown[] | null) =>
  chunks?.flatMap((chunk) => (chunk as { choices: unknown[] }).choices) ?? null;

describe('of a chat that is kept, what is missing', () => {
  test('is all of it where nothing was sent, as chunks of the answer’s own head', () => {
    const rest = restAfter([], chatOf());

    expect(rest).toEqual([
      {
        ...HEAD,
        object: 'chat.completion.chunk',
        choices: [{ index: 0, delta: MESSAGE, finish_reason: null }],
      },
      {
        ...HEAD,
        object: 'chat.completion.chunk',
        choices: [{ index: 0, delta: {}, finish_reason: 'stop' }],
      },
    ]);
  });

  test('is the rest of the text where a part was sent, and the end', () => {
    const sent = [chunkOf({ role: 'assistant', content: 'One ' }), chunkOf({ content: 'two' })];

    expect(choicesIn(restAfter(sent, chatOf()))).toEqual([
      { index: 0, delta: { content: ' three' }, finish_reason: null },
      { index: 0, delta: {}, finish_reason: 'stop' },
    ]);
  });

  test('is nothing where it was sent to its end', () => {
    expect(restAfter([chunkOf({ content: MESSAGE.content }), chunkOf({}, 'stop')], chatOf())).toEqual([]);
  });

  test.each([
    ['another text', [chunkOf({ content: 'Two' })]],
    ['another text, to its end', [chunkOf({ content: 'Two' }), chunkOf({}, 'stop')]],
    ['a part of a tool call', [chunkOf({ tool_calls: [{ index: 0, function: { arguments: '{' } }] })]],
  ])('cannot be told after %s', (_, sent) => {
    expect(restAfter(sent, chatOf())).toBeNull();
  });

  test('counts for each choice by itself', () => {
    const choices = [0, 1].map((index) => ({
      index,
      message: { role: 'assistant', content: `Choice ${index}` },
      finish_reason: 'stop',
    }));
    const sent = [chunkOf({ content: 'Choice 1' }, null, 1)];

    expect(choicesIn(restAfter(sent, { ...chatOf(), choices }))).toEqual([
      { index: 0, delta: { role: 'assistant', content: 'Choice 0' }, finish_reason: null },
      { index: 0, delta: {}, finish_reason: 'stop' },
      { index: 1, delta: {}, finish_reason: null },
      { index: 1, delta: {}, finish_reason: 'stop' },
    ]);
  });

  test('has its tool calls, each with its place', () => {
    const call = { id: 'call_1', type: 'function', function: { name: 'look', arguments: '{}' } };
    const message = { role: 'assistant', content: null, tool_calls: [call, { ...call, id: 'call_2' }] };

    expect(choicesIn(restAfter([], chatOf(message)))).toMatchObject([
      {
        delta: {
          tool_calls: [
            { index: 0, id: 'call_1' },
            { index: 1, id: 'call_2' },
          ],
        },
      },
      { delta: {}, finish_reason: 'stop' },
    ]);
  });
});

test('of a completion the missing text comes in one piece', () => {
  const answer = {
    ...HEAD,
    object: 'text_completion',
    choices: [{ index: 0, text: 'Once upon', logprobs: null, finish_reason: 'length' }],
  };
  const sent = JSON.stringify({ ...HEAD, choices: [{ index: 0, text: 'Once', finish_reason: null }] });

  expect(restAfter([sent], answer)).toEqual([
    {
      ...HEAD,
      object: 'text_completion',
      choices: [{ index: 0, text: ' upon', finish_reason: 'length' }],
    },
  ]);
});

test.each([null, 'text', {}, { choices: 'none' }])('of what is no answer there is none: %j', (answer) => {
  expect(restAfter([], answer)).toBeNull();
  expect(usageChunkOf(answer)).toBeNull();
});

test('the usage is a last chunk without choices, and none where the answer tells none', () => {
  const usage = { total_tokens: 3 };

  expect(JSON.parse(usageChunkOf(chatOf(MESSAGE, { usage })) ?? '')).toEqual({
    ...HEAD,
    object: 'chat.completion.chunk',
    choices: [],
    usage,
  });
  expect(usageChunkOf(chatOf())).toBeNull();
});
