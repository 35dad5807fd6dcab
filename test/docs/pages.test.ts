import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { configurationPage } from '../../bin/configuration-page.ts';
import { CONFIG_HELP } from '../../core/config-schema.ts';
import { ERRORS } from '../../core/errors.ts';
import { REASONS } from '../../rag/reason-codes.ts';

const ROOT = new URL('../../', import.meta.url);
const PAGES = [
  'README.md',
  'ARCHITECTURE.md',
  ...readdirSync(new URL('docs/', ROOT)).map((name) => `docs/${name}`),
];

/** What is no code of ours: how zod names a check of our own. */
const ZOD_ISSUE = 'custom';

const read = (path: string) => readFileSync(new URL(path, ROOT), 'utf8');

/** The rows of every table of the page, as their cells. */
function rowsOf(path: string): string[][] {
  const lines = read(path).split('\n');
  return lines
    .filter((line) => line.startsWith('| `'))
    .map((line) => line.split('|').map((cell) => cell.trim().replaceAll('`', '')))
    .map(([, ...cells]) => cells.slice(0, -1));
}

function sourcesOf(pattern: string): string {
  const paths = globSync(pattern, { cwd: ROOT });
  expect(paths.length).toBeGreaterThan(5);
  return paths.map(read).join('\n');
}

const codesIn = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].map(([, code = '']) => code);

describe('docs/configuration.md', () => {
  test('is what `npm run docs` makes of the settings', () => {
    expect(read('docs/configuration.md')).toBe(configurationPage());
  });

  test('names every setting, and what it takes', () => {
    const rows = rowsOf('docs/configuration.md');

    expect(rows.length).toBe(CONFIG_HELP.length);
    expect(rows.filter((cells) => cells.length !== 4 || cells.includes(''))).toEqual([]);
  });
});

describe('docs/errors.md', () => {
  test('has every code, with its status and whether to try again', () => {
    const described = rowsOf('docs/errors.md').filter((cells) => cells.length === 5);

    expect(described.map(([code, status, again]) => [code, status, again])).toEqual(
      Object.entries(ERRORS).map(([code, { status, retry }]) => [code, String(status), retry]),
    );
  });

  test('has every code of a step, and every reason of a document, that the program knows', () => {
    const described = rowsOf('docs/errors.md').map(([code]) => code);
    const ofSteps = codesIn(sourcesOf('workflows/**/*.ts'), /\bcode: '([a-z_]+)',\s+message/g);
    const ingest = sourcesOf('rag/*.ts') + sourcesOf('storage/*.ts');
    const ofDocuments = codesIn(
      ingest,
      /(?:IngestRefusal\(|reasonCode: |reason_code = |is_superseded THEN )'([a-z_]+)'/g,
    );
    const known = [...ofSteps, ...ofDocuments, ...Object.keys(REASONS)];
    const missing = known.filter((code) => !described.includes(code) && code !== ZOD_ISSUE);

    expect(ofSteps).toContain('worker_lost');
    expect(ofDocuments).toEqual(
      expect.arrayContaining(['embedding_rejected', 'superseded', 'too_many_attempts']),
    );
    expect(missing).toEqual([]);
  });
});

describe('the pages', () => {
  test.each(PAGES.filter((path) => path.endsWith('.md')))('%s links to nothing that is not there', (path) => {
    const links = [...read(path).matchAll(/\]\(([^)#]+)(?:#[\w-]*)?\)/g)].map(([, link = '']) => link);
    const local = links
      .filter((link) => !link.startsWith('http'))
      .map((link) => new URL(link, new URL(path, ROOT)));
    const missing = local
      .map((url) => url.href.slice(ROOT.href.length))
      .filter((link) => !existsSync(new URL(link, ROOT)));

    expect(missing).toEqual([]);
  });

  test('docs/guarantees.md names only tests that there are', () => {
    const tests = [...read('docs/guarantees.md').matchAll(/`(test\/[^`]+)`/g)].map(([, path = '']) => path);

    expect(tests.length).toBeGreaterThan(25);
    expect(tests.filter((path) => !existsSync(new URL(path, ROOT)))).toEqual([]);
  });
});
