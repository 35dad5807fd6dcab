import { describe, expect, test } from '@jest/globals';
import { createLocalLeases } from '../../core/local-leases.ts';
import { leasesSuite } from '../conformance/leases.suite.ts';

describe('the leases of one process', () => {
  leasesSuite(async () => ({ open: createLocalLeases, close: async () => {} }));

  test('are taken by the listener within the call that gives one back', () => {
    const leases = createLocalLeases();
    leases.tryTake('thing', 1);
    leases.tryTake('thing', 1);
    leases.onFree((name) => leases.tryTake(name, 1));

    leases.giveBack('thing');

    expect(leases.inUse('thing')).toBe(1);
  });

  test('tell nobody of a unit that nobody was refused', () => {
    const leases = createLocalLeases();
    const heard: string[] = [];
    leases.onFree((name) => heard.push(name));
    leases.tryTake('thing', 1);
    leases.giveBack('thing');
    expect(heard).toEqual([]);
  });
});
