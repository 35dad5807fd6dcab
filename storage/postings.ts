// Postings of one term in one block of points, five bytes each: number in the block (2), occurrences (1), length (2).

const BLOCK_BITS = 12;
const BLOCK_MASK = (1 << BLOCK_BITS) - 1;
export const BLOCK_POINTS = 1 << BLOCK_BITS;
export const POSTING_BYTES = 5;
const COUNT_MAX = 0xff;
const LENGTH_MAX = 0xff_ff;

export const blockOf = (number: number): number => number >> BLOCK_BITS;
const placeOf = (number: number): number => number & BLOCK_MASK;
export const numberOf = (block: number, place: number): number => (block << BLOCK_BITS) | place;

export interface NumberedTerms {
  number: number;
  terms: ReadonlyMap<string, number>;
  length: number;
}

/** What is appended to one block: of each term the bytes from `starts` on, `sizes` long, of `bytes`. */
export interface BlockAddition {
  block: number;
  points: number;
  lengths: number;
  terms: string[];
  starts: number[];
  sizes: number[];
  bytes: Buffer;
}

/** The postings of points, by block. */
export function packPostings(points: readonly NumberedTerms[]): BlockAddition[] {
  const blocks = new Map<number, NumberedTerms[]>();
  for (const point of points) {
    const members = blocks.get(blockOf(point.number));
    if (members) members.push(point);
    else blocks.set(blockOf(point.number), [point]);
  }
  return Array.from(blocks, ([block, members]) => packBlock(block, members));
}

/** The postings of those that are not dead: null where all are. */
export function withoutDead(postings: Buffer, dead: Uint8Array): Buffer | null {
  const kept = Buffer.allocUnsafe(postings.length);
  let size = 0;
  for (let at = 0; at < postings.length; at += POSTING_BYTES) {
    if (dead[postings.readUInt16LE(at)] === 1) continue;
    size += postings.copy(kept, size, at, at + POSTING_BYTES);
  }
  return size === 0 ? null : kept.subarray(0, size);
}

/** Which places of a block are dead, of the list that its row holds. */
export function deadPlaces(list: Buffer): Uint8Array | null {
  if (list.length === 0) return null;
  const dead = new Uint8Array(BLOCK_POINTS);
  for (let at = 0; at < list.length; at += 2) dead[list.readUInt16LE(at)] = 1;
  return dead;
}

/** The list of dead places, as a block's row holds it. */
export function packPlaces(numbers: readonly number[]): Buffer {
  const list = Buffer.allocUnsafe(numbers.length * 2);
  for (const [index, number] of numbers.entries()) list.writeUInt16LE(placeOf(number), index * 2);
  return list;
}

function packBlock(block: number, members: readonly NumberedTerms[]): BlockAddition {
  const byTerm = new Map<string, [place: number, count: number, length: number][]>();
  let count = 0;
  let lengths = 0;
  for (const { number, terms, length } of members) {
    lengths += length;
    for (const [term, occurrences] of terms) {
      const posting: [number, number, number] = [placeOf(number), occurrences, length];
      const others = byTerm.get(term);
      if (others) others.push(posting);
      else byTerm.set(term, [posting]);
      count += 1;
    }
  }
  const addition: BlockAddition = {
    block,
    points: members.length,
    lengths,
    terms: [...byTerm.keys()].sort(),
    starts: [],
    sizes: [],
    bytes: Buffer.allocUnsafe(count * POSTING_BYTES),
  };
  let at = 0;
  for (const term of addition.terms) {
    const postings = byTerm.get(term) ?? [];
    addition.starts.push(at);
    addition.sizes.push(postings.length * POSTING_BYTES);
    for (const posting of postings) at = writePosting(addition.bytes, at, posting);
  }
  return addition;
}

function writePosting(
  bytes: Buffer,
  at: number,
  [place, count, length]: [place: number, count: number, length: number],
): number {
  bytes.writeUInt16LE(place, at);
  bytes.writeUInt8(Math.min(count, COUNT_MAX), at + 2);
  return bytes.writeUInt16LE(Math.min(length, LENGTH_MAX), at + 3);
}
