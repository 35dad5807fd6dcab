import { existsSync, statSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type CitadelFleet, type FleetProcess, spawnCitadel, startFleet } from '../support/citadel-fleet.ts';
import { newDataDirectory } from '../support/pglite-template.ts';
import { waitFor } from '../support/wait-for.ts';

const LIMIT_MS = 120_000;

async function run(args: readonly string[], dataDir: string) {
  const one = await spawnCitadel(['keys', ...args], { CITADEL_DATA_DIR: dataDir });
  const { code } = await one.exited;
  return { code, stdout: one.stdout(), stderr: one.stderr() };
}

const statusOf = async ({ url }: Pick<FleetProcess, 'url'>, key: string) =>
  (await fetch(`${url}/v1/models`, { headers: { authorization: `Bearer ${key}` } })).status;

describe('citadel keys beside a running embedded server', () => {
  let fleet: CitadelFleet;
  let server: FleetProcess;

  beforeAll(async () => {
    fleet = await startFleet({ withRedis: false });
    server = await fleet.start('up');
  }, LIMIT_MS);
  afterAll(() => fleet?.stop(), LIMIT_MS);

  test(
    'makes, lists and revokes keys over that server, also when it needs keys by then',
    async () => {
      const options = [
        '--role',
        'admin',
        '--rpm',
        '50',
        '--models',
        'a,b',
        '--token-budget',
        '1000/day',
        '--json',
      ];
      const made = await run(['create', '--name', 'ops', ...options], server.dataDir);
      expect(made).toMatchObject({ code: 0, stderr: '' });
      const key = JSON.parse(made.stdout);
      expect(key).toMatchObject({
        role: 'admin',
        requests_per_minute: 50,
        models: ['a', 'b'],
        token_budget: { tokens: 1_000, per: 'day' },
      });
      expect(await statusOf(server, key.key)).toBe(200);
      expect((await server.get('/v1/models')).status).toBe(401);

      const second = await run(['create', '--name', 'app'], server.dataDir);
      const [text = ''] = second.stdout.split('\n');
      expect(await statusOf(server, text)).toBe(200);
      const list = await run(['list'], server.dataDir);
      expect(list.stdout).toMatch(/ops.*50 requests\/min, 1000 tokens\/day, a b/);
      expect(list.stdout).not.toContain(text);

      expect(await run(['revoke', 'app'], server.dataDir)).toMatchObject({ code: 0, stderr: '' });
      expect(await statusOf(server, text)).toBe(401);
      expect(await statusOf(server, key.key)).toBe(200);
    },
    LIMIT_MS,
  );

  test(
    'the file by which it is found is for its owner alone, and goes with it',
    async () => {
      const file = join(server.dataDir, 'server.json');
      expect(statSync(file).mode & 0o777).toBe(0o600);

      server.kill('SIGTERM');
      await waitFor(() => !existsSync(file), 'the file is gone', 30_000);
      await server.exited;
    },
    LIMIT_MS,
  );
});

describe('citadel keys without a server', () => {
  test(
    'opens the store itself, whatever a killed server has left, and makes the key that lets one listen to others',
    async () => {
      const fleet = await startFleet({ withRedis: false });
      const dataDir = await newDataDirectory();
      try {
        const server = await fleet.start('up', { dataDir });
        server.kill('SIGKILL');
        await server.exited;

        const env = { CITADEL_DATA_DIR: dataDir, CITADEL_DISCOVER: 'off', HOST: '0.0.0.0' };
        const refused = await spawnCitadel(['up'], env);
        expect(await refused.exited).toMatchObject({ code: 1 });
        expect(refused.stderr()).toMatch(/HOST=0\.0\.0\.0 would let anyone call Citadel: make a key/);

        expect(await run(['create', '--name', 'app'], dataDir)).toMatchObject({ code: 0, stderr: '' });

        const list = await run(['list', '--json'], dataDir);
        expect(JSON.parse(list.stdout)).toMatchObject([{ name: 'app', role: 'user', revoked_at: null }]);
        const open = await fleet.start('up', { dataDir, env: { HOST: '0.0.0.0' } });
        expect((await open.get('/v1/models')).status).toBe(401);
      } finally {
        await fleet.stop();
        await rm(dataDir, { recursive: true, force: true });
      }
    },
    LIMIT_MS,
  );

  test.each([
    [[], /takes create, list or revoke/],
    [['destroy'], /takes create, list or revoke/],
    [['create'], /needs --name/],
    [['create', '--name', 'a', '--rpm', 'many'], /--rpm takes a number, not "many"/],
    [['create', '--name', 'a', '--token-budget', '5'], /--token-budget takes tokens and a period/],
    [['revoke'], /needs the id or the name/],
    [['list', '--all'], /Unknown option '--all'/],
  ])('says what is wrong with %j', async (args, message) => {
    expect(await run(args, '/nonexistent')).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(message),
    });
  });

  test('says what it takes', async () => {
    const { code, stdout } = await run(['--help'], '/nonexistent');

    expect(code).toBe(0);
    for (const option of ['create --name', '--role', '--rpm', '--tpm', '--models', 'revoke <id or name>'])
      expect(stdout).toContain(option);
  });
});
