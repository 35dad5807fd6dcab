import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import OpenAI from 'openai';
import { waitFor } from '../support/wait-for.ts';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..');
const COLD_START_MS = 60_000;

let directory: string;
let citadel: ChildProcess;
let screen = '';
let url: string;

/** As a newcomer does: `npm start`, with nothing configured but a free port and a place for the data. */
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'citadel-start-'));
  // A group of its own, so that npm, its shell and Citadel can be ended together.
  citadel = spawn('npm', ['start'], {
    cwd: ROOT,
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore'],
    env: { ...process.env, PORT: '0', CITADEL_DATA_DIR: directory, CITADEL_DISCOVER: 'off' },
  });
  citadel.stdout?.on('data', (data) => {
    screen += data;
  });
  const [, found] = await waitFor(() => /is ready at (\S+)/.exec(screen), 'the start screen', COLD_START_MS);
  url = found ?? '';
}, COLD_START_MS + 5_000);

afterAll(async () => {
  if (citadel.exitCode === null && citadel.pid) process.kill(-citadel.pid, 'SIGKILL');
  await rm(directory, { recursive: true, force: true });
});

describe('npm start', () => {
  const client = () => new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0 });

  test('shows where it is, what it runs on, what it found, and three lines to try', () => {
    expect(screen).toMatch(/queue {4}BullMQ on PGlite/);
    expect(screen).toContain(`store    PGlite in ${directory}`);
    expect(screen).toMatch(/servers {2}demo: no model server was found/);
    expect(screen).toMatch(/curl \S+\/v1\/chat\/completions .*"model":"citadel-demo"/);
    expect(screen).toMatch(/curl .* -N .*"stream":true/);
    expect(screen).toContain(`${url}/dashboard`);
  });

  test('answers a chat of the openai package, saying that it is a demo', async () => {
    const answer = await client().chat.completions.create({
      model: 'citadel-demo',
      messages: [{ role: 'user', content: 'Hello from the test' }],
    });

    expect(answer.choices[0]?.message.content).toMatch(/demo model.*Hello from the test/s);
    expect(answer.usage?.completion_tokens).toBeGreaterThan(0);
  });

  test('streams a chat token by token', async () => {
    const pieces: string[] = [];
    const stream = await client().chat.completions.create({
      model: 'citadel-demo',
      stream: true,
      messages: [{ role: 'user', content: 'Hello' }],
    });
    for await (const chunk of stream) pieces.push(chunk.choices[0]?.delta.content ?? '');

    expect(pieces.length).toBeGreaterThan(10);
    expect(pieces.join('')).toMatch(/demo model/);
  });

  test('embeds texts so that similar ones come out similar', async () => {
    const { data } = await client().embeddings.create({
      model: 'citadel-demo-embed',
      input: ['the cat sits on the mat', 'a cat sat on a mat', 'quarterly revenue of the company'],
    });
    const [first = [], similar = [], other = []] = data.map(({ embedding }) => embedding);

    expect(dot(first, similar)).toBeGreaterThan(dot(first, other) + 0.2);
  });

  test('names the models there are when asked for another', async () => {
    const call = client().chat.completions.create({
      model: 'gpt-4o',
      messages: [{ role: 'user', content: 'Hi' }],
    });

    await expect(call).rejects.toMatchObject({
      status: 404,
      code: 'model_not_found',
      message: expect.stringContaining('citadel-demo, citadel-demo-embed, citadel-demo-large'),
    });
  });

  test('ends by itself after SIGTERM', async () => {
    const gone = new Promise((resolve) => citadel.once('exit', resolve));

    process.kill(-(citadel.pid ?? 0), 'SIGTERM');

    await gone;
    await waitFor(
      () =>
        fetch(`${url}/health`).then(
          () => false,
          () => true,
        ),
      'nothing listens any more',
    );
  });
});

function dot(a: number[], b: number[]): number {
  return a.reduce((sum, value, index) => sum + value * (b[index] ?? 0), 0);
}
