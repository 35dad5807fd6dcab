import { describe, expect, test } from '@jest/globals';
import { createSimHash } from '../../storage/sim-hash.ts';

describe('the bits of two vectors', () => {
  for (const dimensions of [2, 3, 100, 768, 3_072]) {
    const hash = createSimHash(dimensions);
    for (const degrees of [0, 10, 45, 90, 135, 180]) {
      test(`of ${dimensions} numbers, ${degrees} degrees apart, differ in as many places of 180`, () => {
        const radians = (degrees / 180) * Math.PI;
        const first = new Float32Array(dimensions);
        const second = new Float32Array(dimensions);
        first[0] = 3;
        second[0] = Math.cos(radians);
        second[1] = Math.sin(radians);
        const share = differing(hash.of(first), hash.of(second)) / hash.bits;
        expect(Math.abs(share * 180 - degrees)).toBeLessThan(10);
      });
    }
  }

  test('are 2048, or as many as a longer vector has numbers, in hexadecimal digits', () => {
    for (const [dimensions, bits] of [
      [1, 2_048],
      [768, 2_048],
      [3_072, 4_096],
      [16_000, 16_384],
    ] as const) {
      const hash = createSimHash(dimensions);
      expect(hash.bits).toBe(bits);
      expect(hash.of(new Float32Array(dimensions).fill(1))).toMatch(new RegExp(`^x[0-9a-f]{${bits / 4}}$`));
    }
  });

  test('are the same for a vector of another length, and in each version of Citadel: they are kept', () => {
    const hash = createSimHash(4);
    const bits = hash.of(new Float32Array([0.1, -0.7, 0.2, 0.4]));
    expect(hash.of(new Float32Array([0.2, -1.4, 0.4, 0.8]))).toBe(bits);
    expect(bits.slice(0, 33)).toBe('x07bf070aa0a106224502a52e4daa55aa');
  });
});

test('a vector of another length is refused', () => {
  expect(() => createSimHash(4).of(new Float32Array(5))).toThrow(RangeError);
});

function differing(a: string, b: string): number {
  let count = 0;
  for (let at = 1; at < a.length; at += 1) {
    let digit = Number.parseInt(a.charAt(at), 16) ^ Number.parseInt(b.charAt(at), 16);
    for (; digit > 0; digit >>= 1) count += digit & 1;
  }
  return count;
}
