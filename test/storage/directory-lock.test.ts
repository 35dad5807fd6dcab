import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from '@jest/globals';
import { createLifecycle, type Lifecycle } from '../../core/lifecycle.ts';
import { lockDirectory } from '../../storage/directory-lock.ts';
import { startProgram } from '../support/program.ts';

let life: Lifecycle = createLifecycle();

afterEach(async () => {
  await life.close();
  life = createLifecycle();
});

async function setup() {
  const parent = await mkdtemp(join(tmpdir(), 'citadel-lock-'));
  life.defer('directory', () => rm(parent, { recursive: true, force: true }));
  const directory = join(parent, 'deep', 'data');
  const startHolder = () => {
    const holder = startProgram('lock-holder.ts', [directory]);
    life.defer('holder', () => holder.kill());
    return holder;
  };
  return { directory, startHolder };
}

test('a directory that is not there is made for its owner alone', async () => {
  const { directory } = await setup();

  const lock = await lockDirectory(directory);

  expect((await stat(directory)).mode & 0o777).toBe(0o700);
  await lock.release();
});

test('a second process is refused the directory, and told who has it', async () => {
  const { directory, startHolder } = await setup();
  const holder = startHolder();
  expect(await holder.nextLine()).toBe('locked');

  const refused = lockDirectory(directory);

  await expect(refused).rejects.toMatchObject({
    code: 'store_unavailable',
    message: expect.stringMatching(
      new RegExp(
        `^The data directory ${directory} is in use by process ${holder.pid} \\(since 20.*Z\\)\\. Stop it first`,
      ),
    ),
  });
});

test('the same process is refused it twice, and gets it again after a release', async () => {
  const { directory } = await setup();
  const lock = await lockDirectory(directory);

  await expect(lockDirectory(directory)).rejects.toThrow(`in use by process ${process.pid}`);
  await lock.release();
  await lock.release();

  const again = await lockDirectory(directory);
  await again.release();
});

test('an owner that was killed does not keep the directory', async () => {
  const { directory, startHolder } = await setup();
  const holder = startHolder();
  await holder.nextLine();

  await holder.kill();

  const lock = await lockDirectory(directory);
  await lock.release();
});

test('a note of an owner whose process id is in use again keeps nobody out', async () => {
  const { directory } = await setup();
  await (await lockDirectory(directory)).release();
  const since = new Date().toISOString();
  await writeFile(join(directory, 'lock-owner.json'), JSON.stringify({ pid: process.ppid, since }));

  const lock = await lockDirectory(directory);
  await lock.release();
});

test('of several that start in one instant exactly one gets the directory', async () => {
  const { startHolder } = await setup();
  const holders = Array.from({ length: 6 }, startHolder);

  const said = await Promise.all(holders.map((holder) => holder.nextLine()));

  expect(said.filter((line) => line === 'locked')).toHaveLength(1);
  expect(said.filter((line) => line.includes('is in use by'))).toHaveLength(5);
});

test('a directory that cannot be locked says why', async () => {
  const { directory } = await setup();
  await (await lockDirectory(directory)).release();
  await rm(join(directory, 'lock'));
  await mkdir(join(directory, 'lock'));

  await expect(lockDirectory(directory)).rejects.toThrow('cannot be locked');
});
