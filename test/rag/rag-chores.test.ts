import { expect, test } from '@jest/globals';
import { createLogger } from '../../core/logger.ts';
import { createRagChores } from '../../rag/rag-chores.ts';

const LONG_MS = 3_600_000;

function setup() {
  const done: string[] = [];
  const chore = (name: string, work = async () => {}) => ({
    everyMs: LONG_MS,
    async run() {
      done.push(name);
      await work();
      return false;
    },
  });
  return { done, chore, logger: createLogger({ level: 'silent' }) };
}

test('a tick does every chore, its time come or not, also after one that failed', async () => {
  const { done, chore, logger } = setup();
  const fails = chore('fails', () => Promise.reject(new Error('the store is away')));
  const chores = createRagChores([fails, chore('works')], logger);

  await chores.tick();
  await chores.tick();

  expect(done).toEqual(['fails', 'works', 'fails', 'works']);
});

test('who asks for a tick during one waits for that', async () => {
  const { done, chore, logger } = setup();
  let end: () => void = () => {};
  const long = chore('long', () => new Promise((resolve) => (end = resolve)));
  const chores = createRagChores([long], logger);

  const both = Promise.all([chores.tick(), chores.tick()]);
  end();
  await both;

  expect(done).toEqual(['long']);
});
