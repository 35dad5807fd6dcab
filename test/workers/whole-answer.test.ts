import { describe, expect, test } from '@jest/globals';
import { createWholeChat, createWholeCompletion, type WholeAnswer } from '../../workers/whole-answer.ts';
import { cutChat, cutCompletion } from './cut-answer.ts';

const SEEDS = Array.from({ length: 200 }, (_, seed) => seed);

function merge(answer: WholeAnswer, chunks: readonly object[]) {
  for (const value of chunks) answer.add({ value });
  return answer.finish();
}

/** The message that these deltas of a single choice make. */
function mergeDeltas(...deltas: unknown[]) {
  const chunks = deltas.map((delta) => ({ choices: [{ index: 0, delta }] }));
  const { choices } = merge(createWholeChat(), chunks) as { choices: { message: Record<string, unknown> }[] };
  return choices[0]?.message;
}

const call = (index: number, fields: object) => ({ tool_calls: [{ index, ...fields }] });

describe('a stream put together', () => {
  test('a chat cut into any chunks comes back as it was', () => {
    for (const seed of SEEDS) {
      const { whole, chunks } = cutChat(seed);
      expect({ seed, answer: merge(createWholeChat(), chunks) }).toEqual({ seed, answer: whole });
    }
  });

  test('a completion cut into any chunks comes back as it was', () => {
    for (const seed of SEEDS) {
      const { whole, chunks } = cutCompletion(seed);
      expect({ seed, answer: merge(createWholeCompletion(), chunks) }).toEqual({ seed, answer: whole });
    }
  });

  test('leaves the chunks themselves as they were', () => {
    const { chunks } = cutChat(7);
    const before = structuredClone(chunks);

    merge(createWholeChat(), chunks);

    expect(chunks).toEqual(before);
  });

  test('keeps what a vendor said once, even when later chunks say null', () => {
    const answer = merge(createWholeChat(), [
      { id: 'a', x_groq: { id: 'req' }, choices: [{ index: 0, delta: {}, matched_stop: 5 }] },
      { id: 'a', x_groq: null, choices: [{ index: 0, delta: { content: null }, matched_stop: null }] },
    ]);

    expect(answer).toMatchObject({ x_groq: { id: 'req' }, choices: [{ matched_stop: 5 }] });
  });

  test('takes usage that comes with the last piece of a choice', () => {
    const answer = merge(createWholeChat(), [
      { choices: [{ index: 0, delta: { content: 'a' } }], usage: { total_tokens: 1 } },
      { choices: [{ index: 0, delta: {}, finish_reason: 'stop' }], usage: { total_tokens: 2 } },
    ]);

    expect(answer.usage).toEqual({ total_tokens: 2 });
  });

  test("does not double a tool call's name, id or type that each piece repeats", () => {
    const head = { id: 'call_1', type: 'function' };

    const message = mergeDeltas(
      call(0, { ...head, function: { name: 'f', arguments: '{' } }),
      call(0, { ...head, function: { name: 'f', arguments: '}' } }),
      call(0, { id: '', type: '', function: { name: '', arguments: '' } }),
    );

    expect(message?.tool_calls).toEqual([{ ...head, function: { name: 'f', arguments: '{}' } }]);
  });

  test('keeps tool calls without an index apart', () => {
    const calls = [{ id: 'a' }, { id: 'b' }];

    expect(mergeDeltas({ tool_calls: [calls[0]] }, { tool_calls: [calls[1]] })?.tool_calls).toEqual(calls);
  });

  test.each([1e9, -1, 0.5, Number.MAX_SAFE_INTEGER])('makes no huge list of the index %d', (index) => {
    expect(mergeDeltas(call(index, { id: 'a' }))?.tool_calls).toEqual([{ id: 'a' }]);
  });

  test("a server's __proto__ reaches no other object", () => {
    mergeDeltas(
      JSON.parse('{"__proto__":{"polluted":"yes"},"function_call":{"__proto__":{"polluted":"yes"}}}'),
    );

    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });

  test.each([
    [[]],
    [[{ choices: [], usage: { total_tokens: 1 } }]],
    [[{ choices: null }]],
    [[{ choices: 'none' }, {}]],
  ])('is malformed when it held no choice: %j', (chunks) => {
    expect(() => merge(createWholeChat(), chunks)).toThrow(
      expect.objectContaining({ name: 'BackendFailure', kind: 'malformed' }),
    );
  });

  test.each([[{}], [{ delta: null }], [{ delta: 'text' }], [{ delta: [1] }]])(
    'has an empty message where a choice is %j',
    (choice) => {
      expect(merge(createWholeChat(), [{ choices: [choice] }]).choices).toEqual([
        {
          index: 0,
          message: { role: 'assistant', content: null, refusal: null },
          logprobs: null,
          finish_reason: null,
        },
      ]);
    },
  );
});
