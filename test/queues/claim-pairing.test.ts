import { expect, test } from '@jest/globals';
import { createClaimPairing } from '../../queues/claim-pairing.ts';

function setup() {
  const pairing = createClaimPairing();
  const made: string[] = [];
  const carried: string[] = [];
  const claim = (name: string) => ({ make: () => made.push(name), carried: () => carried.push(name) });
  const nextTurn = () => new Promise((resolve) => setImmediate(resolve));
  return { pairing, made, carried, claim, nextTurn };
}

test('a claim is made by itself in its turn when no job ends', async () => {
  const { pairing, made, claim, nextTurn } = setup();

  pairing.add(claim('a'));
  expect(made).toEqual([]);
  await nextTurn();

  expect(made).toEqual(['a']);
  pairing.close();
});

test('ends carry the claims of the same turn, one each', async () => {
  const { pairing, made, carried, claim, nextTurn } = setup();

  const early = claim('b');
  pairing.add(claim('a'));
  const first = pairing.end();
  pairing.add(early);
  pairing.add(claim('c'));
  const second = pairing.end();
  await nextTurn();

  (await first)?.carried();
  expect(carried).toEqual(['a']);
  expect(await second).toBe(early);
  expect(made).toEqual(['c']);
  pairing.close();
});

test('an end waits for the claim that follows at once', async () => {
  const { pairing, made, claim, nextTurn } = setup();
  pairing.add(claim('a'));
  await nextTurn();

  const next = claim('b');
  const end = pairing.end();
  pairing.add(next);

  expect(await end).toBe(next);
  expect(made).toEqual(['a']);
  pairing.close();
});

test('an end for which no claim comes goes by itself', async () => {
  const { pairing, claim, nextTurn } = setup();
  pairing.add(claim('a'));
  await nextTurn();

  expect(await pairing.end()).toBeNull();
  pairing.close();
});

test('no end waits where no claim has come lately, or once it is closed', async () => {
  const { pairing, claim, nextTurn } = setup();
  expect(pairing.end()).toBeNull();

  pairing.add(claim('a'));
  await nextTurn();
  const waiting = pairing.end();
  pairing.close();

  expect(await waiting).toBeNull();
  expect(pairing.end()).toBeNull();
});
