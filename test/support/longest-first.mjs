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
  'dashboards/',
  'api/',
];

/** Goes by how long each file took the last time, as Jest does; those of which nothing is on record, as all are in CI,
 *  come before them, by this list. */
export default class LongestFirst extends TestSequencer {
  sort(tests) {
    const [known, unknown] = [true, false].map((is) =>
      tests.filter((test) => (test.duration !== undefined) === is),
    );
    return [
      ...super.sort(unknown).toSorted((one, other) => rankOf(one) - rankOf(other)),
      ...super.sort(known),
    ];
  }
}

function rankOf({ path }) {
  const rank = LONGEST.findIndex((start) => path.includes(`/test/${start}`));
  return rank === -1 ? LONGEST.length : rank;
}
