import { randomBytes } from 'node:crypto';
import { afterAll, expect, test } from '@jest/globals';
import { chat } from '../support/citadel.ts';
import { type FleetProcess, startFleet } from '../support/citadel-fleet.ts';
import { mountSmallDisk, newDataDirectoryOn, untilRefused } from '../support/small-disk.ts';
import { waitFor } from '../support/wait-for.ts';

const LIMIT_MS = 120_000;
const RAG = '/api/v1/rag';
const MODEL = 'sim-chat';
const FULL = { status: 503, code: 'store_unavailable', message: expect.stringMatching(/full|no room left/) };

const disk = mountSmallDisk(150);
afterAll(() => disk?.remove());

const testOnDisk = disk ? test : test.skip;

testOnDisk(
  'a full disk refuses what must be kept and says why, keeps what there is, and works again when there is room (needs the right to mount a tmpfs)',
  async () => {
    if (!disk) return;
    const fleet = await startFleet({ withRedis: false, models: [MODEL] });
    try {
      const citadel = await fleet.start('up', { dataDir: await newDataDirectoryOn(disk) });
      await citadel.post(`${RAG}/collections`, { name: 'papers' });
      const kept = await answerOf(
        await citadel.post(`${RAG}/ingest/text`, textOf('kept', 'Owls hunt at night.')),
      );
      await untilCompleted(citadel, kept.id);

      disk.fill();
      // What the database has taken of the disk before may hold a few.
      const refused = await untilRefused(async () => {
        const document = textOf('lost', randomBytes(60_000).toString('base64'));
        return await answerOf(await citadel.post(`${RAG}/ingest/text`, document));
      });
      expect(refused).toMatchObject(FULL);
      expect(await answerOf(await upload(citadel, randomBytes(2_000_000)))).toMatchObject(FULL);
      expect((await citadel.get('/api/v1/health/live')).status).toBe(200);

      disk.free();
      expect((await citadel.post('/v1/chat/completions', chat(MODEL, 'Hi'))).status).toBe(200);
      const later = await answerOf(
        await citadel.post(`${RAG}/ingest/text`, textOf('later', 'Foxes sleep by day.')),
      );
      expect(later.status).toBe(202);
      await untilCompleted(citadel, later.id);
      expect(await find(citadel, 'owls')).toEqual(['kept']);
      expect(await find(citadel, 'foxes')).toEqual(['later']);
    } finally {
      await fleet.stop();
    }
  },
  LIMIT_MS,
);

function textOf(external_id: string, text: string) {
  return { collection: 'papers', external_id, text };
}

async function upload({ url }: FleetProcess, bytes: Buffer<ArrayBuffer>): Promise<Response> {
  const body = new FormData();
  body.set('collection', 'papers');
  body.set('files', new Blob([bytes]), 'large.txt');
  return await fetch(`${url}${RAG}/ingest/files`, { method: 'POST', body });
}

async function answerOf(response: Response) {
  const { id, error } = JSON.parse(await response.text());
  return { status: response.status, id, code: error?.code, message: error?.message };
}

async function untilCompleted(citadel: FleetProcess, id: string): Promise<void> {
  await waitFor(async () => {
    const job = JSON.parse(await (await citadel.get(`${RAG}/ingest/jobs/${id}`)).text());
    return job.status === 'completed';
  }, 'the document is taken in');
}

async function find(citadel: FleetProcess, query: string): Promise<string[]> {
  const response = await citadel.post(`${RAG}/search`, { collection: 'papers', query });
  const { data } = JSON.parse(await response.text());
  return data.map(({ external_id }: { external_id: string }) => external_id);
}
