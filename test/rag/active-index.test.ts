import { expect, test } from '@jest/globals';
import { createLogger } from '../../core/logger.ts';
import { activateIndex } from '../../rag/active-index.ts';

const ACTIVE = { id: 'ver_1', collectionId: 'col_1' };

function setup() {
  const lines: string[] = [];
  const logger = createLogger({
    level: 'warn',
    pretty: false,
    destination: { write: (line) => void lines.push(line) },
  });
  return { lines, logger };
}

test('an index store that does not answer stops nobody, and is not passed over in silence', async () => {
  const { lines, logger } = setup();
  const activate = () => Promise.reject(new Error('away'));
  await activateIndex({ vectors: { activate }, logger }, ACTIVE);
  expect(lines.map((line) => JSON.parse(line))).toEqual([
    expect.objectContaining({ collection: 'col_1', index: 'ver_1' }),
  ]);
});

test('a store without such names is left alone', async () => {
  const { lines, logger } = setup();
  await activateIndex({ vectors: {}, logger }, ACTIVE);
  expect(lines).toEqual([]);
});
