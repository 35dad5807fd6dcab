import { type ChildProcess, spawn } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { createDemoServer } from '../../servers/demo/demo-server.ts';
import { NODE_OPTIONS } from '../support/node-options.ts';
import { newDataDirectory } from '../support/pglite-template.ts';
import { waitFor } from '../support/wait-for.ts';

const HOST = fileURLToPath(new URL('../support/run-host.ts', import.meta.url));
const TEST_LIMIT_MS = 150_000;
/** A start, and a lease that lapses. */
const RESULT_WITHIN_MS = 90_000;

const SLOW = 'sim:token=50+tokens=40';
const QUICK = 'sim:tokens=4';

const ask = (model: string, content: string) => ({
  type: 'chat',
  model,
  messages: [{ role: 'user', content }],
});

const DEFINITION = {
  name: 'survivor',
  steps: [
    { id: 'first', ...ask(QUICK, 'first') },
    {
      id: 'each',
      type: 'map',
      after: ['first'],
      over: [1, 2, 3, 4, 5, 6],
      concurrency: 3,
      steps: [{ id: 'say', ...ask(SLOW, 'number ${{ item }}') }],
    },
    { id: 'last', ...ask(QUICK, 'last ${{ steps.each.output.size() }}') },
  ],
  output: { count: '${{ steps.each.output.size() }}', last: '${{ steps.last.output.text }}' },
};

describe('a run whose process is killed', () => {
  test(
    'goes on when another one starts on its data directory, and does nothing twice that it had done',
    async () => {
      const model = createDemoServer({ simModels: true, models: [{ id: SLOW }, { id: QUICK }] });
      await model.start();
      const dataDir = await newDataDirectory();
      const servers = [{ id: 'sim', hostname: '127.0.0.1', port: model.port, models: [SLOW, QUICK] }];
      const env = { CITADEL_SERVERS: JSON.stringify(servers), CITADEL_DISCOVER: 'off' };
      const started: ChildProcess[] = [];
      const open = (...args: string[]) => {
        const one = spawnHost([dataDir, ...args], env);
        started.push(one.child);
        return one;
      };
      const slowCalls = () => model.requests.filter((seen) => seen.model === SLOW);

      try {
        const first = open(JSON.stringify(DEFINITION));
        await waitFor(
          () => slowCalls().filter(({ finished }) => finished).length >= 2,
          'it is in mid-run',
          60_000,
        );
        first.child.kill('SIGKILL');
        await first.exited;
        const id = /run (run_\w+)/.exec(first.output())?.[1] ?? '';
        const done = slowCalls().filter(({ finished }) => finished).length;

        const second = open('', id);
        const text = await waitFor(
          () => /result (.*)/.exec(second.output())?.[1],
          'it has ended',
          RESULT_WITHIN_MS,
        );

        expect(JSON.parse(text)).toMatchObject({
          status: 'succeeded',
          output: { count: 6, last: expect.any(String) },
        });
        const contents = slowCalls().map(({ body }) => /number \d/.exec(body)?.[0]);
        expect(new Set(contents).size).toBe(6);
        // What had been answered may have missed its commit by a hair, and what ran is made again.
        expect(contents.length).toBeLessThanOrEqual(6 + 3 + 1);
        expect(done).toBeGreaterThanOrEqual(2);
      } finally {
        for (const child of started) child.kill('SIGKILL');
        await model.stop();
        await rm(dataDir, { recursive: true, force: true });
      }
    },
    TEST_LIMIT_MS,
  );
});

function spawnHost(args: readonly string[], env: Record<string, string>) {
  const { PATH = '', NODE_COMPILE_CACHE = '' } = process.env;
  const child = spawn(process.execPath, [...NODE_OPTIONS, HOST, ...args], {
    env: { PATH, NODE_COMPILE_CACHE, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  return {
    child,
    output: () => output,
    exited: new Promise((resolve) => child.once('close', resolve)),
  };
}
