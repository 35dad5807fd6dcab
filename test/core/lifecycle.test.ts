import { describe, expect, test } from '@jest/globals';
import { createLifecycle } from '../../core/lifecycle.ts';

function setup(stopLimitMs?: number) {
  const stopped: string[] = [];
  return { stopped, life: createLifecycle(stopLimitMs) };
}

describe('a lifecycle', () => {
  test('stops what was started last first', async () => {
    const { life, stopped } = setup();
    life.defer('first', () => stopped.push('first'));
    life.defer('second', () => stopped.push('second'));

    await life.close();

    expect(stopped).toEqual(['second', 'first']);
  });

  test('stops the others when one stop throws, and tells of it', async () => {
    const { life, stopped } = setup();
    life.defer('first', () => stopped.push('first'));
    life.defer('second', () => {
      throw new Error('stuck');
    });

    await expect(life.close()).rejects.toThrow('stuck');

    expect(stopped).toEqual(['first']);
  });

  test('gives a stop up that does not end in time', async () => {
    const { life, stopped } = setup(20);
    life.defer('first', () => stopped.push('first'));
    life.defer('endless', () => new Promise(() => {}));

    await expect(life.close()).rejects.toThrow('endless did not stop within 20 ms');

    expect(stopped).toEqual(['first']);
  });

  test('stops everything once when it is closed twice', async () => {
    const { life, stopped } = setup();
    life.defer('only', () => stopped.push('only'));

    await Promise.all([life.close(), life.close()]);

    expect(stopped).toEqual(['only']);
  });
});
