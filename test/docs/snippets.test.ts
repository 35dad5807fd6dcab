import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { loadConfig } from '../../core/config.ts';
import { START_LIMIT_MS } from '../api/setup.ts';
import { startTestCitadel, type TestCitadel } from '../support/citadel.ts';
import { newDataDirectory } from '../support/pglite-template.ts';
import { type Snippet, snippetsOf } from './snippets.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const PAGES = ['docs/quickstart.md', 'README.md'];
const SNIPPETS = PAGES.flatMap(snippetsOf);
const ADDRESS = 'http://127.0.0.1:8002';
const COMMAND = 'npm run citadel --';
const LIMIT_MS = 60_000;

/** What the answer to a block has in it, by its heading. */
const ANSWERS: Record<string, RegExp> = {
  Ask: /"object":"chat\.completion"/,
  'Add a server of yours': /"status":"registered","server_id":"gpu-1".*"object":"list"/s,
  'Have something done for certain': /"object":"job".*"object":"list"/s,
  'The first chat': /"object":"chat\.completion"|^\S.{10}/,
  'Servers that come and go': /"status":"registered","server_id":"gpu-2"/,
  'The first workflow': /"status":"succeeded","output":\[".+",".+"\]/,
  'The first document': /"object":"chat\.completion".*"citations":\[/s,
  Keys: /ops.*app.*revoked/s,
};

let citadel: TestCitadel;
let environment: NodeJS.ProcessEnv;

beforeAll(async () => {
  const directory = await newDataDirectory();
  // The pages' servers are not there, and the demo makes way for any server.
  citadel = await startTestCitadel({ env: { CITADEL_DATA_DIR: directory, CITADEL_DEMO: 'on' } });
  const path = [dirname(process.execPath), process.env.PATH].join(delimiter);
  environment = { ...process.env, PATH: path, CITADEL_DATA_DIR: directory };
}, START_LIMIT_MS);
afterAll(() => citadel.stop());

/** Runs a block as a reader would, at the address of the test's own Citadel. Gives what it prints. */
function run({ language, text }: Snippet): Promise<{ status: number | string; output: string }> {
  const here = text.replaceAll(ADDRESS, citadel.url).replaceAll(COMMAND, 'node bin/citadel.mjs');
  const [program, args] =
    language === 'ts'
      ? (['node', ['--input-type=module-typescript', '--eval', here]] as const)
      : (['bash', ['-euo', 'pipefail', '-c', here]] as const);
  return new Promise((resolve) => {
    const options = { cwd: ROOT, env: environment, timeout: LIMIT_MS };
    execFile(program, args, options, (error, stdout, stderr) => {
      const status = error ? (error.code ?? 'cut') : 0;
      resolve({ status, output: error ? stdout + stderr : stdout });
    });
  });
}

describe('what README.md and docs/quickstart.md show', () => {
  const runnable = SNIPPETS.filter(({ language, isTagged }) => ['sh', 'ts'].includes(language) && !isTagged);

  test.each(runnable)(
    'runs as it stands: $place',
    async (snippet) => {
      const { status, output } = await run(snippet);

      expect({ status, output }).toEqual({
        status: 0,
        output: expect.stringMatching(ANSWERS[snippet.heading] ?? /^$/),
      });
      expect(output).not.toContain('{"error":{');
    },
    LIMIT_MS,
  );

  test('all but the blocks that start Citadel anew is run', () => {
    const left = SNIPPETS.filter((snippet) => !runnable.includes(snippet) && snippet.language !== 'yaml');

    expect(
      left.map(({ heading, isTagged, text }) => ({ heading, isTagged, isStart: /npm start/.test(text) })),
    ).toEqual(
      ['Quickstart', 'Let others in', 'Citadel', 'The first chat'].map((heading) => ({
        heading,
        isTagged: true,
        isStart: true,
      })),
    );
    expect(Object.keys(ANSWERS).sort()).toEqual([...new Set(runnable.map(({ heading }) => heading))].sort());
  });

  test('the commands are those of package.json', () => {
    const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));

    expect(scripts.citadel).toMatch(/^node .* bin\/citadel\.mjs$/);
    expect(Object.keys(scripts)).toEqual(
      expect.arrayContaining(['start', 'test', 'check', 'docs', 'chaos', 'bench']),
    );
  });

  test.each(
    [...SNIPPETS, ...snippetsOf('docs/configuration.md')].filter(
      ({ language, isTagged }) => language === 'yaml' && !isTagged,
    ),
  )('is a configuration that starts: $place', ({ text }) => {
    const directory = mkdtempSync(join(tmpdir(), 'citadel-snippet-'));
    writeFileSync(join(directory, 'citadel.yaml'), text);
    const { notices } = loadConfig({ env: { GPU_1_KEY: 'a-key-of-a-server' }, cwd: directory });

    expect(notices).toEqual([]);
  });
});
