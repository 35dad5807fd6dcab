import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { findFiles, splitByName, toBatches } from '../../bin/ingest-files.ts';
import { createProgressLine } from '../../bin/progress-line.ts';

test('directories are taken with all below them but what is hidden; a file of a name that is taken is told apart', async () => {
  const root = await mkdtemp(join(tmpdir(), 'citadel-ingest-'));
  for (const path of ['sub', '.git', 'node_modules']) await mkdir(join(root, path));
  for (const path of ['a.md', 'sub/b.md', 'sub/a.md', '.git/x', 'node_modules/y', '.hidden']) {
    await writeFile(join(root, path), 'text');
  }

  const files = await findFiles([root, join(root, '.hidden')]);
  const { unique, doubles } = splitByName(files);

  expect(files.map(({ path }) => path.slice(root.length + 1))).toEqual([
    'a.md',
    'sub/a.md',
    'sub/b.md',
    '.hidden',
  ]);
  expect(unique.map(({ name, bytes }) => [name, bytes])).toEqual([
    ['a.md', 4],
    ['b.md', 4],
    ['.hidden', 4],
  ]);
  expect(doubles.map(({ path }) => path)).toEqual([join(root, 'sub/a.md')]);
  await expect(findFiles([join(root, 'none')])).rejects.toThrow('cannot be read');
  await rm(root, { recursive: true });
});

test('a batch has at most 100 files and 50 MB, and a larger file is sent by itself', () => {
  const files = (count: number, bytes: number) =>
    Array.from({ length: count }, (_, index) => ({ path: `${index}`, name: `${index}`, bytes }));

  expect([...toBatches(files(250, 1))].map((batch) => batch.length)).toEqual([100, 100, 50]);
  expect([...toBatches(files(3, 30_000_000))].map((batch) => batch.length)).toEqual([1, 1, 1]);
  expect([...toBatches(files(2, 90_000_000))].map((batch) => batch.length)).toEqual([1, 1]);
});

test('progress is a bar on a terminal, and lines elsewhere', () => {
  const written: string[] = [];
  const counts = { completed: 1, unchanged: 0, failed: 1 };
  const on = (isTTY: boolean) => createProgressLine({ isTTY, write: (text) => written.push(text) }, 4);

  on(true).show(counts);
  on(false).show(counts);
  on(false).end({ ...counts, unchanged: 2 });

  expect(written).toEqual([
    `\r\u001b[K[${'#'.repeat(15)}${'.'.repeat(15)}] 2/4, 1 completed, 1 failed`,
    '4/4, 1 completed, 2 unchanged, 1 failed\n',
  ]);
});
