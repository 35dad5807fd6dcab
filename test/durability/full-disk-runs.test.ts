import { randomBytes } from 'node:crypto';
import { afterAll, expect, test } from '@jest/globals';
import { chat } from '../support/citadel.ts';
import { type FleetProcess, startFleet } from '../support/citadel-fleet.ts';
import { mountSmallDisk, newDataDirectoryOn, untilRefused } from '../support/small-disk.ts';
import { waitFor } from '../support/wait-for.ts';

const LIMIT_MS = 150_000;
const MODEL = 'sim-chat';
/** A second for each answer. */
const SLOW = 'sim:token=50+tokens=20';
const ITEMS = 24;
const AT_ONCE = 2;
const FULL = { status: 503, code: 'store_unavailable', message: expect.stringMatching(/full|no room left/) };

const DEFINITION = {
  name: 'long',
  steps: [
    {
      id: 'each',
      type: 'map',
      over: Array.from({ length: ITEMS }, (_, index) => index),
      concurrency: AT_ONCE,
      steps: [
        {
          id: 'say',
          type: 'chat',
          model: SLOW,
          messages: [{ role: 'user', content: 'item ${{ string(item) }};' }],
        },
      ],
    },
  ],
  output: '${{ size(steps.each.output) }}',
};

const disk = mountSmallDisk(150);
afterAll(() => disk?.remove());

const testOnDisk = disk ? test : test.skip;

testOnDisk(
  'a run at work when the disk fills waits, and goes on by itself when there is room, as does all that was accepted (needs the right to mount a tmpfs)',
  async () => {
    if (!disk) return;
    const fleet = await startFleet({ withRedis: false, models: [MODEL, SLOW] });
    const asked = () => fleet.model.requests.filter(({ model }) => model === SLOW);
    try {
      const citadel = await fleet.start('up', { dataDir: await newDataDirectoryOn(disk) });
      const submit = (request: object) => answerOf(citadel, '/api/v1/orchestrate', { kind: 'chat', request });
      const { id } = await answerOf(citadel, '/api/v1/workflows', { definition: DEFINITION });
      await waitFor(() => asked().some(({ finished }) => finished), 'the run is at work');

      const jobs = [(await submit(chat(MODEL, 'Hi'))).id];
      disk.fill();
      // What the database has taken of the disk before may hold a few.
      const refused = await untilRefused(async () => {
        const tried = await submit(chat(MODEL, randomBytes(300_000).toString('base64')));
        if (tried.status === 202) jobs.push(tried.id);
        return tried;
      });
      expect(refused).toMatchObject(FULL);
      expect(await read(citadel, `/api/v1/workflows/${id}`)).toMatchObject({ status: 'running' });

      disk.free();
      const run = await waitFor(() => ended(citadel, `/api/v1/workflows/${id}`), 'the run', LIMIT_MS / 2);
      expect(run).toMatchObject({ status: 'succeeded', output: ITEMS });
      for (const job of jobs) {
        const { status } = await waitFor(() => ended(citadel, `/api/v1/orchestrate/${job}`), 'a job');
        expect(status).toBe('succeeded');
      }
      const items = asked().map(({ body }) => /item \d+;/.exec(body)?.[0]);
      expect(new Set(items).size).toBe(ITEMS);
      // What was in hand may have been asked again; what was refused has never run.
      expect(items.length).toBeLessThanOrEqual(ITEMS + AT_ONCE);
      const made = await read(citadel, '/api/v1/orchestrate?mode=accepted');
      expect(made.data.map((job: { id: string }) => job.id).sort()).toEqual(jobs.sort());
    } finally {
      await fleet.stop();
    }
  },
  LIMIT_MS,
);

async function answerOf(citadel: FleetProcess, path: string, body: unknown) {
  const response = await citadel.post(path, body);
  const { id, error } = JSON.parse(await response.text());
  return { status: response.status, id, code: error?.code, message: error?.message };
}

const read = async (citadel: FleetProcess, path: string) =>
  JSON.parse(await (await citadel.get(path)).text());

async function ended(citadel: FleetProcess, path: string) {
  const found = await read(citadel, path);
  return ['succeeded', 'failed', 'cancelled'].includes(found.status) ? found : null;
}
