import { createHash } from 'node:crypto';

const BITS_MIN = 2_048;
/** Of fewer numbers the transform makes too few different ones. */
const WIDTH_MIN = 64;

/** Few bits for a vector: those of two vectors differ in the more places, the larger the angle between the two. */
export interface SimHash {
  /** How many. */
  bits: number;
  /** As Postgres reads a bit string: `x` and hexadecimal digits. Throws RangeError where the vector has another length. */
  of(vector: Float32Array): string;
}

/**
 * SimHash (Charikar, "Similarity estimation techniques from rounding algorithms", 2002): each bit is the side of a plane
 * through the origin that the vector lies on. The planes are those of a Hadamard transform over given signs, taken anew
 * until there are bits enough, so that no matrix is kept. What is stored holds these bits: the planes may never change.
 */
export function createSimHash(dimensions: number): SimHash {
  const width = Math.max(WIDTH_MIN, 2 ** Math.ceil(Math.log2(dimensions)));
  const bits = Math.max(width, BITS_MIN);
  const rounds = Array.from({ length: bits / width }, (_, round) =>
    [0, 1].map((turn) => signs(width, `${round}.${turn}`)),
  );
  return {
    bits,
    of(vector) {
      if (vector.length !== dimensions)
        throw new RangeError(`A vector of ${dimensions} numbers is expected.`);
      const bytes = Buffer.alloc(bits / 8);
      const values = new Float64Array(width);
      rounds.forEach((turns, round) => {
        values.fill(0).set(vector);
        for (const turn of turns) {
          for (let at = 0; at < width; at += 1) values[at] = (values[at] ?? 0) * (turn[at] ?? 1);
          transform(values);
        }
        values.forEach((value, at) => {
          const place = round * width + at;
          if (value > 0) bytes[place >> 3] = (bytes[place >> 3] ?? 0) | (0x80 >> (place & 7));
        });
      });
      return `x${bytes.toString('hex')}`;
    },
  };
}

/** 1 and -1, each time the same. */
function signs(width: number, name: string): Int8Array {
  const bytes = createHash('shake256', { outputLength: width }).update(`citadel sim-hash ${name}`).digest();
  return Int8Array.from(bytes, (byte) => (byte & 1 ? 1 : -1));
}

/** The Walsh-Hadamard transform, in place. The length is a power of two. */
function transform(values: Float64Array): void {
  for (let half = 1; half < values.length; half *= 2) {
    for (let start = 0; start < values.length; start += 2 * half) {
      for (let at = start; at < start + half; at += 1) {
        const a = values[at] ?? 0;
        const b = values[at + half] ?? 0;
        values[at] = a + b;
        values[at + half] = a - b;
      }
    }
  }
}
