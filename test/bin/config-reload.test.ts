import { rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { errorOf, START_LIMIT_MS } from '../api/setup.ts';
import { chat, startTestCitadel, type TestCitadel } from '../support/citadel.ts';
import { startFleet } from '../support/citadel-fleet.ts';
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
