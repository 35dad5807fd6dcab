import TestSequencer from '@jest/test-sequencer';

/** Files whose tests start processes, and wait for them in real time: what takes longest must not begin last. */
const LONGEST = ['durability', 'storage', 'bin', 'queues', 'workers', 'faults', 'dashboards', 'api'];

/** Goes by how long each file took the last time, as Jest does, and by its room where no run is on record, as in CI. */
export default class LongestFirst extends TestSequencer {
  sort(tests) {
    const sorted = super.sort(tests);
    if (sorted.some(({ duration }) => duration !== undefined)) return sorted;
    return sorted.toSorted((one, other) => rankOf(one) - rankOf(other));
  }
}

function rankOf({ path }) {
  const rank = LONGEST.findIndex((room) => path.includes(`/test/${room}/`));
  return rank === -1 ? LONGEST.length : rank;
}
