import TestSequencer from '@jest/test-sequencer';

/** Files, and rooms, whose tests start processes and wait for them in real time: what takes longest must not begin last. */
const LONGEST = [
  'durability/ingest-after-kill',
  'durability/worker-death',
  'durability/shutdown',
  'durability/store-loss',
  'durability/restart',
  'durability/registered-servers',
  'workers/fleet-failures',
  'storage/pglite-pool',
  'bin/keys-command',
  'durability/',
  'workers/parking',
  'workers/disconnect',
  'api/admission',
  'workflows/cel-limits',
  'storage/',
  'bin/',
  'queues/',
  'workers/',
  'faults/',
  'api/',
];

/** Goes by how long each file took the last time, as Jest does, and by this list where no run is on record, as in CI. */
export default class LongestFirst extends TestSequencer {
  sort(tests) {
    const sorted = super.sort(tests);
    if (sorted.some(({ duration }) => duration !== undefined)) return sorted;
    return sorted.toSorted((one, other) => rankOf(one) - rankOf(other));
  }
}

function rankOf({ path }) {
  const rank = LONGEST.findIndex((start) => path.includes(`/test/${start}`));
  return rank === -1 ? LONGEST.length : rank;
}
