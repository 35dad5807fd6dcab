import { rm } from 'node:fs/promises';
import { expect, test } from '@jest/globals';
import { chat } from '../support/citadel.ts';
import { type FleetProcess, startFleet } from '../support/citadel-fleet.ts';
import { newDataDirectory } from '../support/pglite-template.ts';
import { waitFor } from '../support/wait-for.ts';

const HUNDRED = 'sim:tokens=100';
const LIMIT_MS = 120_000;

async function post({ url }: FleetProcess, path: string, body: object, key?: string) {
  const authorization = key === undefined ? {} : { authorization: `Bearer ${key}` };
  const headers = { 'content-type': 'application/json', ...authorization };
  const response = await fetch(url + path, { method: 'POST', headers, body: JSON.stringify(body) });
  return { status: response.status, body: JSON.parse(await response.text()) };
}

test(
  'a token budget that is used up stays so when the server is killed and started again',
  async () => {
    const fleet = await startFleet({ withRedis: false, models: [HUNDRED] });
    const dataDir = await newDataDirectory();
    const call = (one: FleetProcess, key: string) =>
      post(one, '/v1/chat/completions', chat(HUNDRED, 'Hi', { max_tokens: 100 }), key);
    try {
      const first = await fleet.start('up', { dataDir });
      const admin = (await post(first, '/api/v1/keys', { name: 'root', role: 'admin' })).body.key;
      const settings = { name: 'app', token_budget: { tokens: 250, per: 'month' } };
      const { key } = (await post(first, '/api/v1/keys', settings, admin)).body;
      expect((await call(first, key)).status).toBe(200);
      expect((await call(first, key)).status).toBe(200);
      expect((await call(first, key)).status).toBe(429);
      // A kill may cost what is younger than a quarter of a second: a later call that is written shows that these are.
      await call(first, admin);
      await waitFor(
        async () => (await lastUse(first, admin, 'root')) !== null,
        'the ledger has what came before',
      );
      first.kill('SIGKILL');
      await first.exited;

      const second = await fleet.start('up', { dataDir });

      expect((await call(second, key)).status).toBe(429);
      expect((await call(second, admin)).status).toBe(200);
    } finally {
      await fleet.stop();
      await rm(dataDir, { recursive: true, force: true });
    }
  },
  LIMIT_MS,
);

async function lastUse({ url }: FleetProcess, admin: string, of: string): Promise<string | null> {
  const response = await fetch(`${url}/api/v1/keys`, { headers: { authorization: `Bearer ${admin}` } });
  const { data } = JSON.parse(await response.text());
  return data.find(({ name }: { name: string }) => name === of).last_used_at;
}
