import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { MODEL_CLASSES } from '../../core/schemas/model-class.ts';
import { errorOf, START_LIMIT_MS } from '../api/setup.ts';
import { chat, startTestCitadel, type TestCitadel } from '../support/citadel.ts';
import { startFleet, withFleet } from '../support/citadel-fleet.ts';
import { postgresService, startPostgres } from '../support/postgres.ts';
import { redisService } from '../support/redis.ts';
import { describeWith } from '../support/services.ts';
import { waitFor } from '../support/wait-for.ts';

describe('over the API', () => {
  let citadel: TestCitadel;

  beforeAll(async () => {
    citadel = await startTestCitadel({ env: { CITADEL_SERVERS: '', CITADEL_DEMO: 'off' } });
  }, START_LIMIT_MS);
  afterAll(() => citadel?.stop());

  const write = (text: string) => writeFileSync(join(citadel.directory, 'citadel.yaml'), text);
  const reload = () => citadel.post('/api/v1/config/reload', '');
  const answerOf = async (response: Promise<Response>) => {
    const { status } = await response;
    return [status, await (await response).json()];
  };
  const statusOf = async (model: string) => (await citadel.post('/v1/chat/completions', chat(model))).status;
  const servers = () => `servers: [{id: sim, hostname: 127.0.0.1, port: ${citadel.model.port}}]\n`;

  test('servers, aliases, class models, prices and limits of calls hold at once', async () => {
    expect(await statusOf('fast')).toBe(404);
    write(
      `${servers()}aliases: {fast: [sim-chat]}\nprices: {sim-chat: {input: 1, output: 2}}
classes: {heavyweight: {models: [sim-chat], queue_depth: 7}}\nlimits: {idle_ms: 9000}\n`,
    );

    expect(await answerOf(reload())).toEqual([
      200,
      {
        object: 'config.reload',
        changed: [
          'servers',
          'classes.heavyweight.models',
          'classes.heavyweight.queue_depth',
          'aliases',
          'prices',
          'limits.idle_ms',
        ],
        needs_restart: [],
        others: [],
      },
    ]);
    await waitFor(async () => (await statusOf('fast')) === 200, 'the model answers under its new name');
    const model = (await (await citadel.get('/v1/models/sim-chat')).json()) as { citadel: { class: string } };
    expect(model.citadel.class).toBe('heavyweight');
    const usage = (await (await citadel.get('/api/v1/usage')).json()) as { total: { cost: number } };
    expect(usage.total.cost).toBeGreaterThan(0);
  });

  test('a wrong file changes nothing, and every problem is told', async () => {
    write('aliases: {other: [sim-chat]}\nlimits: {attempts: many}\nclases: {}\n');

    const [status, body] = await answerOf(reload());
    expect([status, body]).toEqual([
      400,
      errorOf('invalid_request', { message: /Nothing was changed: .*limits\.attempts.*clases/ }),
    ]);
    expect(await statusOf('fast')).toBe(200);
    expect(await statusOf('other')).toBe(404);
  });

  test('what only a start reads is named, each time, and does not hold; a server that is gone from the file goes', async () => {
    write('limits: {attempts: 7}\n');

    const [, first] = await answerOf(reload());
    expect(first).toMatchObject({
      changed: expect.arrayContaining(['servers', 'aliases', 'prices']),
      needs_restart: ['limits.attempts'],
    });
    expect(await statusOf('sim-chat')).toBe(404);
    const [, second] = await answerOf(reload());
    expect(second).toMatchObject({ changed: [], needs_restart: ['limits.attempts'] });
    rmSync(join(citadel.directory, 'citadel.yaml'));
    expect(await answerOf(reload())).toMatchObject([200, { changed: [], needs_restart: [] }]);
  });
});

test(
  'SIGHUP has a process read its file again, and a wrong one leaves it running as it was',
  async () => {
    const fleet = await startFleet({ withRedis: false });
    try {
      const file = join(tmpdir(), `citadel-reload-${process.pid}.yaml`);
      writeFileSync(file, '');
      const one = await fleet.start('up', { env: { CITADEL_CONFIG: file } });
      const ask = () => one.post('/v1/chat/completions', chat('fast'));

      writeFileSync(file, 'aliases: {fast: [sim-chat]}\n');
      one.kill('SIGHUP');
      await waitFor(async () => (await ask()).status === 200, 'the alias holds');
      writeFileSync(file, 'aliases: 7\n');
      one.kill('SIGHUP');
      await waitFor(() => /was not read again/.test(one.stderr()), 'the problem is told');
      expect((await ask()).status).toBe(200);
      rmSync(file);
    } finally {
      await fleet.stop();
    }
  },
  START_LIMIT_MS,
);

test(
  'another log level holds from the reload on, and only for what comes after it',
  async () => {
    const fleet = await startFleet({ withRedis: false });
    try {
      const file = join(tmpdir(), `citadel-level-${process.pid}.yaml`);
      writeFileSync(file, '');
      const one = await fleet.start('up', { env: { CITADEL_CONFIG: file } });
      const reload = async (text: string) => {
        writeFileSync(file, text);
        const answer = await one.post('/api/v1/config/reload', {});
        return ((await answer.json()) as { changed: string[] }).changed;
      };
      const ask = async () =>
        (await one.post('/v1/chat/completions', chat('sim-chat'))).headers.get('x-request-id') ?? '';

      const unheard = await ask();
      expect(await reload('log_level: debug\n')).toEqual(['log_level']);
      const heard = await ask();
      await waitFor(() => one.stderr().includes(heard), 'requests are logged');
      expect(await reload('')).toEqual(['log_level']);
      const unheardAgain = await ask();
      expect(await reload('log_level: debug\n')).toEqual(['log_level']);
      const last = await ask();
      await waitFor(() => one.stderr().includes(last), 'requests are logged again');

      expect(one.stderr()).not.toContain(unheard);
      expect(one.stderr()).not.toContain(unheardAgain);
      rmSync(file);
    } finally {
      await fleet.stop();
    }
  },
  START_LIMIT_MS,
);

describeWith(redisService, 'on Redis', () => {
  describeWith(postgresService, 'and Postgres', () => {
    test(
      'one call has every process read its own file, and says for each what holds, what waits for a restart, and what is wrong',
      async () => {
        const postgres = await startPostgres();
        const directory = mkdtempSync(join(tmpdir(), 'citadel-reload-'));
        const fileOf = (name: string, text: string) => {
          const file = join(directory, `${name}.yaml`);
          writeFileSync(file, text);
          return file;
        };
        const env = (name: string) => ({
          DATABASE_URL: postgres?.url ?? '',
          CITADEL_CONFIG: fileOf(name, ''),
        });
        try {
          await withFleet({}, async ({ start }) => {
            const [one, other, worker] = await Promise.all([
              start('api', { env: env('one') }),
              start('api', { env: env('other') }),
              start('worker', { env: env('worker') }),
            ]);
            const aliases = 'aliases: {fast: [sim-chat]}\n';
            fileOf('one', aliases);
            fileOf('other', `${aliases}log_level: debug\nlimits: {attempts: 7}\n`);
            fileOf('worker', 'limits: {idle_ms: none}\n');

            const answer = await one.post('/api/v1/config/reload', {});

            const { others, ...here } = (await answer.json()) as { others: { pid: number }[] };
            expect([answer.status, here]).toEqual([
              200,
              { object: 'config.reload', changed: ['aliases'], needs_restart: [] },
            ]);
            expect(others.toSorted((a, b) => a.pid - b.pid)).toEqual(
              [
                {
                  ...{ host: hostname(), pid: other.pid, roles: ['api'], problem: null },
                  ...{ changed: ['log_level', 'aliases'], needs_restart: ['limits.attempts'] },
                },
                {
                  ...{ host: hostname(), pid: worker.pid, roles: [...MODEL_CLASSES] },
                  ...{ changed: [], needs_restart: [] },
                  problem: expect.stringMatching(/Nothing was changed: .*limits\.idle_ms/),
                },
              ].toSorted((a, b) => a.pid - b.pid),
            );
            expect((await other.post('/v1/chat/completions', chat('fast'))).status).toBe(200);

            fileOf('one', 'aliases: 7\n');
            fileOf('other', '');
            expect((await one.post('/api/v1/config/reload', {})).status).toBe(400);
            expect((await other.post('/v1/chat/completions', chat('fast'))).status).toBe(200);
          });
        } finally {
          rmSync(directory, { recursive: true });
          await postgres?.stop();
        }
      },
      START_LIMIT_MS,
    );
  });
});
