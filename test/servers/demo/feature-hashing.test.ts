import { describe, expect, test } from '@jest/globals';
import { embedText, embedTokens } from '../../../servers/demo/feature-hashing.ts';

function cosine(one: string, other: string): number {
  const vector = embedText(other, 256);
  return embedText(one, 256).reduce((sum, value, at) => sum + value * (vector[at] ?? 0), 0);
}

describe('similarity', () => {
  test.each([
    [
      'How do I restart the database server?',
      'Restarting the database servers',
      'Bake the bread at 220 degrees for forty minutes.',
    ],
    ['The cat sat on the mat', 'A cat is sitting on a mat', 'Quarterly revenue grew by nine percent'],
    ['Wie starte ich den Dienst neu?', 'Den Dienst neu starten', 'Rezept für Apfelkuchen mit Zimt'],
  ])('%s is nearer to "%s" than to "%s"', (text, similar, unrelated) => {
    expect(cosine(text, similar)).toBeGreaterThan(0.35);
    expect(cosine(text, unrelated)).toBeLessThan(0.2);
  });

  test('case and compatibility forms make no difference', () => {
    expect(cosine('ＣＡＦÉ №1', 'café no1')).toBeCloseTo(1, 5);
  });
});

describe('vectors', () => {
  test.each(['', '   ', '!?', '\u0000', 'a', '中文', '😀'])(
    '%j has length 1 and the same vector each time',
    (text) => {
      const vector = embedText(text, 256);
      expect(Math.hypot(...vector)).toBeCloseTo(1, 5);
      expect(embedText(text, 256)).toEqual(vector);
    },
  );

  test('tokens have vectors of their own', () => {
    expect(embedTokens([1, 2, 3], 64)).toEqual(embedTokens([1, 2, 3], 64));
    expect(embedTokens([1, 2, 3], 64)).not.toEqual(embedTokens([4, 5, 6], 64));
    expect(Math.hypot(...embedTokens([], 64))).toBe(1);
  });

  test('one dimension is enough not to fail', () => {
    expect(Math.abs(embedText('some words', 1)[0] ?? 0)).toBe(1);
  });
});
