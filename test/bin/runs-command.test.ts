import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { chat } from '../support/citadel.ts';
import { type CitadelFleet, type FleetProcess, spawnCitadel, startFleet } from '../support/citadel-fleet.ts';
import { freePort } from '../support/free-port.ts';

const LIMIT_MS = 120_000;
/** A second and a half to its end. */
const MODEL = 'sim:first=1000+token=10+tokens=50';
const DEFINITION = {
  name: 'greet',
  steps: [
    {
      id: 'draft',
      type: 'chat',
      model: MODEL,
      messages: [{ role: 'user', content: '${{ input.text }}' }],
    },
    { id: 'done', type: 'transform', value: '${{ steps.draft.output.text }}' },
  ],
};
const WAITING = { name: 'waiting', steps: [{ id: 'ok', type: 'approve' }] };
const FAILING = { name: 'failing', steps: [{ id: 'no', type: 'fail', message: 'it is over' }] };

async function run(args: readonly string[], env: Record<string, string>) {
  const one = await spawnCitadel(args, env);
  const { code } = await one.exited;
  return { code, stdout: one.stdout(), stderr: one.stderr() };
}

describe('citadel runs and jobs beside a running embedded server', () => {
  let fleet: CitadelFleet;
  let server: FleetProcess;
  let directory: string;
  const on = (...args: string[]) => run(args, { CITADEL_DATA_DIR: server.dataDir });

  beforeAll(async () => {
    fleet = await startFleet({ withRedis: false, models: [MODEL] });
    server = await fleet.start('up');
    directory = await mkdtemp(join(tmpdir(), 'citadel-runs-'));
    for (const definition of [DEFINITION, WAITING, FAILING]) {
      await writeFile(join(directory, `${definition.name}.json`), JSON.stringify(definition));
    }
  }, LIMIT_MS);
  afterAll(async () => {
    await fleet?.stop();
    if (directory) await rm(directory, { recursive: true, force: true });
  }, LIMIT_MS);

  const file = (name: string) => join(directory, `${name}.json`);

  test(
    'start a definition in a file, follow it with what its model says, and show it',
    async () => {
      await writeFile(join(directory, 'input.json'), JSON.stringify({ text: 'from a file' }));
      const input = `@${join(directory, 'input.json')}`;
      const started = await on('runs', 'start', file('greet'), '--input', input, '--follow');

      expect(started).toMatchObject({ code: 0, stderr: '' });
      const [, id = ''] = /^(run_\w+) is queued\./.exec(started.stdout) ?? [];
      expect(started.stdout).toMatch(/run\.started/);
      expect(started.stdout).toMatch(/step\.started draft \{"attempt":1\}/);
      const shown = JSON.parse((await on('runs', 'show', id)).stdout);
      expect(shown).toMatchObject({ id, status: 'succeeded', input: { text: 'from a file' } });
      expect(shown.output).not.toBe('');
      expect(started.stdout).toContain(shown.output);
      expect(started.stdout.trimEnd()).toMatch(/run\.succeeded$/);

      const list = await on('runs', 'list', '--status', 'succeeded', '--workflow', 'greet');
      expect(list.stdout).toContain(id);
      const again = await on('runs', 'follow', id, '--json');
      const types = again.stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).type);
      expect([types[0], types.at(-1)]).toEqual(['run.started', 'run.succeeded']);
    },
    LIMIT_MS,
  );

  test(
    'cancel what runs, retry what has failed, and say by their exit code how it ended',
    async () => {
      const waiting = JSON.parse((await on('runs', 'start', file('waiting'), '--json')).stdout);
      expect(await on('runs', 'cancel', waiting.id)).toMatchObject({
        code: 0,
        stdout: `${waiting.id} is cancelled.\n`,
      });
      const failed = await on('runs', 'start', file('failing'), '--follow');
      expect(failed).toMatchObject({ code: 1, stderr: '' });
      const [, id = ''] = /^(run_\w+)/.exec(failed.stdout) ?? [];
      expect(await on('runs', 'retry', id)).toMatchObject({ code: 0 });
      expect(await on('runs', 'retry', waiting.id.replace('run_', 'run_0'))).toMatchObject({
        code: 1,
        stderr: expect.stringMatching(/There is no run/),
      });
    },
    LIMIT_MS,
  );

  test(
    'list jobs, follow one with the words of its answer, and show it',
    async () => {
      const response = await server.post('/api/v1/orchestrate', { kind: 'chat', request: chat(MODEL) });
      const { id } = JSON.parse(await response.text());

      const followed = await on('jobs', 'follow', id);

      expect(followed).toMatchObject({ code: 0, stderr: '' });
      expect(followed.stdout.trimEnd()).toMatch(/job\.succeeded$/);
      expect(JSON.parse((await on('jobs', 'show', id)).stdout)).toMatchObject({ id, status: 'succeeded' });
      expect((await on('jobs', 'list', '--kind', 'chat', '--limit', '1')).stdout).toContain(id);
      expect(JSON.parse((await on('jobs', 'list', '--json')).stdout)).toMatchObject({ data: [{ id }] });
      expect(await on('jobs', 'retry', id)).toMatchObject({
        code: 1,
        stderr: expect.stringMatching(/failed/),
      });
    },
    LIMIT_MS,
  );

  test(
    'talk to the server of CITADEL_URL, with the key of CITADEL_API_KEY',
    async () => {
      const env = { CITADEL_URL: `${server.url}/`, CITADEL_API_KEY: 'sk-whatever' };

      expect(await run(['runs', 'list'], env)).toMatchObject({ code: 0, stderr: '' });
      const nowhere = `http://127.0.0.1:${await freePort()}`;
      expect(await run(['runs', 'list'], { CITADEL_URL: nowhere })).toMatchObject({
        code: 1,
        stderr: expect.stringMatching(
          /^Citadel at http:\/\/127\.0\.0\.1:\d+ cannot be reached \(ECONNREFUSED\)\. Start it, or name/,
        ),
      });
    },
    LIMIT_MS,
  );
});

test.each([
  [['runs'], /takes start, list, show, follow, cancel or retry/],
  [['jobs', 'start'], /takes list, show, follow, cancel or retry/],
  [['runs', 'start'], /needs the name of a workflow, or the file/],
  [['runs', 'start', './none.json'], /none\.json cannot be read/],
  [['runs', 'start', 'greet', '--input', '{'], /--input is not JSON/],
  [['runs', 'show'], /show needs an id/],
  [['jobs', 'cancel', '--json'], /cancel needs an id/],
  [['jobs', 'list', '--all'], /Unknown option '--all'/],
])('citadel %j says what is wrong with it', async (args, message) => {
  expect(await run(args, { CITADEL_DATA_DIR: '/nonexistent' })).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(message),
  });
});

test.each(['runs', 'jobs'])('citadel %s --help says what it takes', async (command) => {
  const { code, stdout } = await run([command, '--help'], {});

  expect(code).toBe(0);
  for (const option of ['list', 'show <id>', 'follow <id>', 'cancel <id>', 'retry <id>', '--json']) {
    expect(stdout).toContain(option);
  }
});
