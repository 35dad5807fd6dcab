import { describe, expect, test } from '@jest/globals';
import { createStreamShape, toStreamEvents } from '../../workers/stream-shape.ts';
import { createWholeChat, createWholeCompletion } from '../../workers/whole-answer.ts';
import { cutChat, cutCompletion } from './cut-answer.ts';

const HEAD = { id: 'a', created: 5, model: 'm', object: 'chat.completion.chunk' };
const OURS = { id: 'job_1', createdSeconds: 77, model: 'asked' };

const event = (value: object) => ({ text: JSON.stringify(value), value });
const delta = (fields: object, index = 0) => ({ index, delta: fields, finish_reason: null });
const FIRST = delta({ role: 'assistant', content: '' });

function setup(
  options: { includeUsage?: boolean; object?: 'chat.completion.chunk' | 'text_completion' } = {},
) {
  const { includeUsage = false, object = 'chat.completion.chunk' } = options;
  const stream = createStreamShape({ fallback: OURS, object, includeUsage });
  const shape = (...values: object[]) => stream.shape(values.map(event)).map((text) => JSON.parse(text));
  return { stream, shape };
}

describe("a stream's shape", () => {
  test('events that are right pass byte for byte', () => {
    const { stream } = setup();
    const texts = [
      `{ "id":"a","object":"chat.completion.chunk", "created":5,"model":"m","seed":12345678901234567890,
         "choices":[{"index":0,"delta":{"role":"assistant","content":"\\u0041"}}]}`,
      '{"id":"a","object":"chat.completion.chunk","created":5,"model":"m","choices":[{"index":0,"delta":{}}],"x":1.0}',
    ];

    expect(stream.shape(texts.map((text) => ({ text, value: JSON.parse(text) })))).toEqual(texts);
  });

  test.each([
    [{ id: 'b' }],
    [{ id: undefined }],
    [{ created: 6 }],
    [{ created: undefined }],
    [{ model: 'other' }],
    [{ model: '' }],
    [{ object: 'chat.completion' }],
    [{ object: undefined }],
  ])('every chunk gets the id, created, model and object of the first: %j', (wrong) => {
    const { shape } = setup();
    const second = { ...HEAD, choices: [delta({ content: 'x' })], vendor: 1 };

    const chunks = shape({ ...HEAD, choices: [FIRST] }, { ...second, ...wrong });

    expect(chunks).toEqual([{ ...HEAD, choices: [FIRST] }, second]);
  });

  test.each([
    [{}, { id: 'job_1', created: 77, model: 'asked' }],
    [
      { id: '', created: '5', model: '' },
      { id: 'job_1', created: 77, model: 'asked' },
    ],
    [
      { id: 1, created: null, model: null },
      { id: 'job_1', created: 77, model: 'asked' },
    ],
    [
      { id: 'a', created: 5.9, model: 'm' },
      { id: 'a', created: 5, model: 'm' },
    ],
  ])('a first chunk that says %j is filled up', (head, expected) => {
    const { shape } = setup();

    expect(shape({ ...head, choices: [FIRST] })).toEqual([
      { ...expected, object: 'chat.completion.chunk', choices: [FIRST] },
    ]);
  });

  test('the first delta of each choice gets the role, and only that one', () => {
    const { shape } = setup();
    const roles = (chunks: { choices: { delta?: { role?: string } }[] }[]) =>
      chunks.map(({ choices }) => choices.map((choice) => choice.delta?.role));

    const chunks = shape(
      { ...HEAD, choices: [delta({ content: 'a' }), delta({ content: 'b' }, 1)] },
      { ...HEAD, choices: [delta({ content: 'c' }, 1), delta({ content: 'd' }, 2)] },
      { ...HEAD, choices: [delta({ content: 'e' }, 2)] },
    );

    expect(roles(chunks)).toEqual([['assistant', 'assistant'], [undefined, 'assistant'], [undefined]]);
  });

  test.each([[null], [''], [undefined]])('a first role of %j counts as none', (role) => {
    const { shape } = setup();

    expect(shape({ ...HEAD, choices: [delta({ role, content: 'a' })] })).toEqual([
      { ...HEAD, choices: [delta({ role: 'assistant', content: 'a' })] },
    ]);
  });

  test('a first choice without a delta gets one', () => {
    const { shape } = setup();

    expect(shape({ ...HEAD, choices: [{ index: 0 }] })).toEqual([
      { ...HEAD, choices: [{ index: 0, delta: { role: 'assistant' } }] },
    ]);
  });

  test('text completions get no role', () => {
    const { shape } = setup({ object: 'text_completion' });
    const chunk = { ...HEAD, object: 'text_completion', choices: [{ index: 0, text: 'a' }] };

    expect(shape(chunk)).toEqual([chunk]);
  });

  describe('the usage chunk', () => {
    const usage = { prompt_tokens: 1 };

    test('is dropped unless the caller asked for it, and known all the same', () => {
      const { shape, stream } = setup();

      expect(shape({ ...HEAD, choices: [], usage })).toEqual([]);
      expect(stream.usage()).toEqual(usage);
    });

    test('passes when the caller asked for it, with the choices that it may lack', () => {
      const { shape } = setup({ includeUsage: true });

      expect(shape({ ...HEAD, usage })).toEqual([{ ...HEAD, choices: [], usage }]);
    });

    test('is not forgotten when a later chunk says null', () => {
      const { shape, stream } = setup();

      shape({ ...HEAD, choices: [FIRST], usage }, { ...HEAD, choices: [delta({})], usage: null });

      expect(stream.usage()).toEqual(usage);
    });
  });

  test('a chunk with neither choice nor usage is dropped and does not name the stream', () => {
    const { shape } = setup({ includeUsage: true });

    const chunks = shape(
      { id: '', model: '', choices: [], prompt_filter_results: [] },
      { ...HEAD, choices: [FIRST] },
    );

    expect(chunks).toEqual([{ ...HEAD, choices: [FIRST] }]);
  });

  test('a stream that held no choice is malformed', () => {
    const { shape, stream } = setup({ includeUsage: true });
    shape({ ...HEAD, choices: [], usage: { prompt_tokens: 1 } });

    expect(stream.finish).toThrow(expect.objectContaining({ name: 'BackendFailure', kind: 'malformed' }));
  });

  test.each([[null], ['text'], [5]])('a stream with %j for a choice is malformed', (choice) => {
    const { shape } = setup();

    expect(() => shape({ ...HEAD, choices: [choice] })).toThrow(
      expect.objectContaining({ name: 'BackendFailure', kind: 'malformed' }),
    );
  });

  test('a stream that held a choice is whole', () => {
    const { shape, stream } = setup();
    shape({ ...HEAD, choices: [FIRST] });

    expect(stream.finish).not.toThrow();
  });
});

describe('a whole answer as a stream', () => {
  test.each([
    ['chat', cutChat, createWholeChat, 'chat.completion.chunk'],
    ['completion', cutCompletion, createWholeCompletion, 'text_completion'],
  ] as const)('says the same: a %s put together again is as it was', (_, cut, createWhole, object) => {
    for (let seed = 0; seed < 50; seed++) {
      const { whole } = cut(seed);
      const answer = createWhole();
      for (const { text } of toStreamEvents(whole, object)) answer.add({ value: JSON.parse(text) });
      expect(answer.finish()).toEqual(whole);
    }
  });

  test('needs no more shaping than the dropped usage', () => {
    const { stream } = setup();
    const events = toStreamEvents(cutChat(3).whole, 'chat.completion.chunk');

    expect(events).toHaveLength(2);
    expect(stream.shape(events)).toEqual([events[0]?.text]);
  });

  test.each([[null], ['text']])('is malformed where a choice is %j', (choice) => {
    const { stream } = setup();

    expect(() => stream.shape(toStreamEvents({ choices: [choice] }, 'chat.completion.chunk'))).toThrow(
      expect.objectContaining({ name: 'BackendFailure', kind: 'malformed' }),
    );
  });
});
