import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startTestCitadel, type TestCitadel } from '../support/citadel.ts';

const START_LIMIT_MS = 120_000;
const RUN = fileURLToPath(new URL('../../bench/eval/run.ts', import.meta.url));
const file = (name: string) => fileURLToPath(new URL(`small-collection/${name}`, import.meta.url));
const FILES = [
  ...['--corpus', file('corpus.jsonl'), '--queries', file('queries.jsonl')],
  ...['--qrels', file('qrels.tsv')],
];

let citadel: TestCitadel;

beforeAll(async () => {
  citadel = await startTestCitadel();
}, START_LIMIT_MS);
afterAll(async () => {
  await citadel?.stop();
}, START_LIMIT_MS);

function evaluate(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [RUN, ...args], (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr });
    });
  });
}

test(
  'each mode that a collection has is evaluated, with its figures in a line',
  async () => {
    const { code, stdout } = await evaluate(...FILES, '--url', citadel.url, '--embedding-model', 'sim-embed');

    const [taken, ...modes] = stdout.trim().split('\n');
    expect(taken).toMatch(/^12 documents taken in, in [\d.]+ s \(\d+\/s\)$/);
    const figures = modes.map((line) =>
      /^(\w+): nDCG@10 (\d\.\d{4}), recall@100 (\d\.\d{4}), [\d.]+ ms per query, 6 queries$/
        .exec(line)
        ?.slice(1),
    );
    expect(figures.map((one) => one?.[0])).toEqual(['lexical', 'dense', 'hybrid']);
    // All twelve documents are among the first hundred by meaning, whatever they mean.
    expect(figures.map((one) => one?.[2])).toEqual(['1.0000', '1.0000', '1.0000']);
    expect(Number(figures[0]?.[1])).toBeGreaterThan(0.9);
    expect(code).toBe(0);
  },
  START_LIMIT_MS,
);

test(
  'what is missing or unknown is said in a line, before anything is started',
  async () => {
    const [none, odd, lost] = await Promise.all([
      evaluate('--corpus', file('corpus.jsonl')),
      evaluate(...FILES, '--modes', 'lexical,psychic'),
      evaluate(...FILES, '--url', citadel.url, '--embedding-model', 'nowhere'),
    ]);
    expect(none).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^It needs --corpus, --queries and --qrels\./),
    });
    expect(odd).toMatchObject({ code: 2, stderr: expect.stringMatching(/^There is no mode 'psychic'/) });
    expect(lost).toMatchObject({ code: 1, stderr: expect.stringContaining('The models there are: ') });
  },
  START_LIMIT_MS,
);
