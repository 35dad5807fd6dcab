import { expect, test } from '@jest/globals';
import { createModelLabel } from '../../servers/model-label.ts';
import { createRegistry } from '../../servers/registry.ts';
import { registrationOf } from './registration.ts';

function setup(models: string[]) {
  const registry = createRegistry({ models: { lightweight: [], heavyweight: [], embedding: [] } });
  registry.put(registrationOf('one', { models }));
  return { registry, labelOf: createModelLabel(registry) };
}

test('a model has its own name while a server has it, and later', () => {
  const { registry, labelOf } = setup(['phi3:latest', 'qwen3']);
  const whileThere = ['phi3', 'phi3:latest', 'nobody-has-it'].map(labelOf);
  registry.remove('one');

  expect(whileThere).toEqual(['phi3:latest', 'phi3:latest', 'other']);
  expect(labelOf('phi3:latest')).toBe('phi3:latest');
  expect(labelOf('qwen3')).toBe('other');
});

test('however many models come and go, there are at most 500 names', () => {
  const { labelOf } = setup(Array.from({ length: 1_000 }, (_, index) => `model-${index}`));
  const labels = new Set(Array.from({ length: 1_000 }, (_, index) => labelOf(`model-${index}`)));

  expect(labels.size).toBe(501);
  expect(labels).toContain('other');
});
