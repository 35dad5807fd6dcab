import { describe, expect, test } from '@jest/globals';
import type { Json } from '../../core/json-value.ts';
import type { DefinitionStore } from '../../workflows/definition-store.ts';
import { createPlans } from '../../workflows/plans.ts';
import { flow, give } from './definitions.ts';

function setup() {
  const saved = new Map<string, Json>();
  const saves: string[] = [];
  const store: DefinitionStore = {
    async save(hash, definition) {
      saves.push(hash);
      saved.set(hash, definition);
    },
    find: async (hash) => saved.get(hash) ?? null,
    addVersion: () => Promise.reject(new Error('not here')),
    version: async () => null,
    versions: async () => [],
    removeVersions: async () => false,
  };
  return { plans: createPlans({ store }), saves };
}

describe('a definition that comes with each start', () => {
  test('is planned and written once', async () => {
    const { plans, saves } = setup();
    const first = await plans.save(flow([give('a')]));

    expect(await plans.save(flow([give('a')]))).toBe(first);
    expect(plans.plan(flow([give('a')]))).toEqual({ valid: true, plan: first });
    expect(await plans.byHash(first.hash)).toBe(first);
    expect(saves).toEqual([first.hash]);
  });

  test('is another one when anything of it is', async () => {
    const { plans, saves } = setup();

    const [one, other] = [await plans.save(flow([give('a', 1)])), await plans.save(flow([give('a', 2)]))];

    expect(one.hash).not.toBe(other.hash);
    expect(saves).toEqual([one.hash, other.hash]);
  });

  test('is refused each time when it is wrong', async () => {
    const { plans } = setup();
    const wrong = flow([give('a', '${{ nothing.here }}')]);

    for (let turn = 0; turn < 2; turn++) {
      await expect(plans.save(wrong)).rejects.toMatchObject({ code: 'invalid_request' });
    }
  });
});
