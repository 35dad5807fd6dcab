import { expect, test } from '@jest/globals';
import { newInboxId, newJobId, newRequestId } from '../../core/ids.ts';

test.each([
  ['job', newJobId],
  ['req', newRequestId],
  ['inbox', newInboxId],
] as const)(
  'an id of kind %s says so, and is one that BullMQ takes: no colon, no integer',
  (prefix, newId) => {
    expect(newId()).toMatch(new RegExp(`^${prefix}_[0-9a-f]{24}$`));
  },
);

test('no two ids are the same', () => {
  const ids = Array.from({ length: 10_000 }, () => newJobId().slice('job_'.length));

  expect(new Set(ids).size).toBe(ids.length);
});
