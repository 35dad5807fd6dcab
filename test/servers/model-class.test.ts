import { describe, expect, test } from '@jest/globals';
import type { ModelClass } from '../../core/schemas/model-class.ts';
import { classifyModel } from '../../servers/model-class.ts';

const RULES = {
  models: { lightweight: ['phi3', 'my-embedder'], heavyweight: ['mixtral:8x7b'], embedding: ['oddname'] },
};

const classify = (id: string, declared: ModelClass[] = [], parameters?: number) =>
  classifyModel({ id, parameters }, declared, RULES);

describe("a model's class", () => {
  test.each([
    ['phi3', 'lightweight'],
    ['phi3:3.8b-mini', 'lightweight'],
    ['mixtral:8x7b', 'heavyweight'],
    ['oddname:latest', 'embedding'],
    ['my-embedder', 'lightweight'],
  ] as const)('is the configured one, by name with or without its tag: %s is %s', (id, expected) => {
    expect(classify(id, ['heavyweight'], 70e9)).toBe(expected);
  });

  test('is not that of a listed name with another tag', () => {
    expect(classify('mixtral:tiny')).toBe('lightweight');
  });

  test('is the one that its server declares, where nobody listed it', () => {
    expect(classify('nomic-embed-text', ['heavyweight'])).toBe('heavyweight');
  });

  test('is not taken from a server that declares several', () => {
    expect(classify('nomic-embed-text', ['lightweight', 'heavyweight'])).toBe('embedding');
  });

  test.each([
    'nomic-embed-text',
    'text-embedding-3-small',
    'mxbai-embed-large:latest',
    'BAAI/bge-m3',
    'bge-m3:latest',
    'thenlper/gte-large',
    'intfloat/e5-mistral-7b-instruct',
    'all-minilm',
    'all-minilm:latest',
    'all-minilm:33m',
    'sentence-transformers/all-MiniLM-L6-v2',
  ])('is embedding by the pattern of its name, whatever its size: %s', (id) => {
    expect(classify(id, [], 70e9)).toBe('embedding');
  });

  test.each(['badge5-7b', 'gtester', 'o5e5x', 'budget-llm'])(
    'is not embedding for a mere likeness: %s',
    (id) => {
      expect(classify(id)).toBe('lightweight');
    },
  );

  test.each([
    [undefined, 'lightweight'],
    [12.9e9, 'lightweight'],
    [13e9, 'heavyweight'],
  ] as const)('is told by its size at last: with %p parameters it is %s', (parameters, expected) => {
    expect(classify('llama', [], parameters)).toBe(expected);
  });
});
