// The same numbers give the same texts.

export interface ShortDocument {
  external_id: string;
  title: string;
  text: string;
}

const WORDS = 30_000;
/** SciFact's abstracts have about so many characters. */
const DOCUMENT_CHARS = 1_500;
const SENTENCE_WORDS = 16;
const ONSETS = ['b', 'c', 'd', 'f', 'g', 'l', 'm', 'n', 'p', 'r', 's', 't', 'st', 'pr', 'tr'];
const RIMES = ['a', 'an', 'e', 'er', 'in', 'ing', 'is', 'o', 'on', 'al', 'ent', 'ic', 'um'];

const VOCABULARY = Array.from({ length: WORDS }, (_, rank) => wordOf(rank));
const CUMULATIVE = cumulativeZipf();

export function shortDocument(number: number): ShortDocument {
  const random = createRandom(number + 1);
  return {
    external_id: `doc-${number}`,
    title: sentence(random, 8),
    text: prose(random, DOCUMENT_CHARS),
  };
}

export function longText(number: number, chars: number): string {
  return prose(createRandom(number + 1_000_003), chars);
}

/** A few words, drawn as those of the documents are. */
export function question(number: number): string {
  return sentence(createRandom(number + 2_000_003), 8);
}

/** Lines of a page, as wide as pages are. */
export function pageLines(number: number): string[] {
  const random = createRandom(number + 3_000_017);
  return Array.from({ length: 45 }, () => sentence(random, 12));
}

function prose(random: () => number, chars: number): string {
  let text = '';
  for (let at = 1; text.length < chars; at += 1) {
    text += `${sentence(random, SENTENCE_WORDS)}${at % 40 === 0 ? '\n\n' : ' '}`;
  }
  return text.trim();
}

function sentence(random: () => number, words: number): string {
  const text = Array.from({ length: words }, () => wordAt(random())).join(' ');
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

function wordAt(share: number): string {
  let low = 0;
  let high = WORDS - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((CUMULATIVE[middle] ?? 1) < share) low = middle + 1;
    else high = middle;
  }
  return VOCABULARY[low] ?? '';
}

/** The more common, the shorter. */
function wordOf(rank: number): string {
  const syllables = ONSETS.length * RIMES.length;
  let word = '';
  for (let rest = rank + 1; rest > 0; rest = Math.floor(rest / syllables)) {
    const at = rest % syllables;
    word += `${ONSETS[at % ONSETS.length]}${RIMES[Math.floor(at / ONSETS.length)]}`;
  }
  return word;
}

function cumulativeZipf(): Float64Array {
  const sums = new Float64Array(WORDS);
  let sum = 0;
  for (let rank = 0; rank < WORDS; rank += 1) {
    sum += 1 / (rank + 1);
    sums[rank] = sum;
  }
  return sums.map((value) => value / sum);
}

/** Mulberry32. */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
