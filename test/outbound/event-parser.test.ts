import { expect, test } from '@jest/globals';
import { toValue } from '../../core/stream-event.ts';
import { createEventParser } from '../../outbound/event-parser.ts';
import { createWholeChat, createWholeCompletion } from '../../workers/whole-answer.ts';

const TOKENS = [
  ' the',
  '',
  ' fox',
  '\n',
  '"quoted"',
  '\\',
  ' über',
  '😀',
  '\u0000',
  '{"content":"x"}',
  '\u2028',
  ' end',
];

const chat = (delta: object, choice: object = {}, rest: object = {}) => ({
  id: 'chatcmpl-1',
  object: 'chat.completion.chunk',
  created: 1,
  model: 'm',
  ...rest,
  choices: [{ index: 0, delta, logprobs: null, finish_reason: null, ...choice }],
});
const completion = (text: string) => ({ id: 'c', choices: [{ text, index: 0, finish_reason: null }] });

/** Streams of many shapes, each as its events' values. */
const STREAMS: Record<string, object[]> = {
  chat: [
    chat({ role: 'assistant', content: '' }),
    ...TOKENS.map((content) => chat({ content })),
    chat({}, { finish_reason: 'stop' }),
  ],
  'a role in each delta': TOKENS.map((content) => chat({ role: 'assistant', content })),
  reasoning: [
    ...TOKENS.map((text) => chat({ reasoning_content: text })),
    ...TOKENS.map((content) => chat({ content })),
  ],
  'two texts that grow at once': TOKENS.map((content) => chat({ content, reasoning: 'r' })),
  'the same logprobs each time': TOKENS.map((content) =>
    chat({ content }, { logprobs: { content: [{ token: 't' }] } }),
  ),
  'a model that is called content': TOKENS.map((content) =>
    chat({ content }, {}, { content: 'content', text: 'x' }),
  ),
  'usage in each event': TOKENS.map((content, index) =>
    chat({ content }, {}, { usage: { completion_tokens: index } }),
  ),
  'two choices': TOKENS.map((content) => ({
    choices: [
      { index: 0, delta: { content } },
      { index: 1, delta: { content } },
    ],
  })),
  'choices in turn': TOKENS.map((content, index) => chat({ content }, { index: index % 2 })),
  'tool calls': TOKENS.map((text) =>
    chat({ content: '', tool_calls: [{ index: 0, function: { arguments: text } }] }),
  ),
  'no choice': [{ choices: [] }, { usage: { total_tokens: 3 } }],
  completion: TOKENS.map(completion),
};

const read = (values: object[]) => {
  const parser = createEventParser();
  return values.map((value) => parser.parse(JSON.stringify(value)));
};

test.each(Object.keys(STREAMS))('every event means what its text says: %s', (name) => {
  const values = STREAMS[name] ?? [];

  const events = read(values);

  expect(events.map((event) => event && toValue(event))).toEqual(values);
});

test.each(Object.keys(STREAMS))(
  'an answer put together from tokens is the one from whole events: %s',
  (name) => {
    const values = STREAMS[name] ?? [];
    if (name === 'no choice') return;
    const create = name === 'completion' ? createWholeCompletion : createWholeChat;
    const [fast, slow] = [create(), create()];

    for (const event of read(values)) if (event) fast.add(event);
    for (const value of values) slow.add({ value });

    expect(fast.finish()).toEqual(slow.finish());
  },
);

test('of a usual stream only the first events are parsed', () => {
  const events = read(STREAMS.chat ?? []);

  expect(events.filter((event) => event?.token).length).toBeGreaterThanOrEqual(TOKENS.length - 1);
});

test.each(['[1]', '"text"', 'null', '{', '', '{"choices":[{"delta":{"content":"a"}}]'])(
  'what is no JSON object is none after a token either: %s',
  (text) => {
    const parser = createEventParser();
    parser.parse(JSON.stringify(chat({ content: 'a' })));
    parser.parse(JSON.stringify(chat({ content: 'b' })));

    expect(parser.parse(text)).toBeUndefined();
  },
);

test('a token that is cut, or that ends early, is no token', () => {
  const parser = createEventParser();
  const text = JSON.stringify(chat({ content: 'MARK' }));
  parser.parse(text);

  expect(parser.parse(text.replace('MARK', '\\'))).toBeUndefined();
  expect(parser.parse(text.replace('MARK', 'a"b'))).toBeUndefined();
  expect(parser.parse(text.replace('MARK', 'a\nb'))).toBeUndefined();
  const other = parser.parse(text.replace('MARK', 'a","role":"user'));
  expect(other && toValue(other)).toEqual(chat({ content: 'a', role: 'user' }));
});
