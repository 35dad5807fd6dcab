const WORD = /[\p{L}\p{M}\p{N}]+/gu;
const TRIGRAM_WEIGHT = 0.5;
/** Shorter words weigh less: they are mostly grammar. */
const FULL_WORD_CHARS = 5;
const WORD_SEED = 0x811c9dc5;
const TRIGRAM_SEED = 0x9747b28c;
const FNV_PRIME = 0x01000193;
const WORD_EDGE = 0;

/**
 * A vector of length 1 for `text`: its words and their trigrams, hashed with signs. The same text gives the same
 * vector; texts that share words, or word stems, are similar. A text without words gives a fixed vector.
 */
export function embedText(text: string, dimensions: number): Float32Array {
  const counts = new Map<string, number>();
  for (const [word] of text.normalize('NFKC').toLowerCase().matchAll(WORD)) {
    counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  const vector = new Float32Array(dimensions);
  for (const [word, count] of counts) {
    addWord(vector, word, (1 + Math.log(count)) * Math.min(1, word.length / FULL_WORD_CHARS));
  }
  return normalise(vector);
}

/** The vector of a text that comes as token ids. */
export function embedTokens(ids: number[], dimensions: number): Float32Array {
  return embedText(ids.map((id) => `token${id}`).join(' '), dimensions);
}

function addWord(vector: Float32Array, word: string, weight: number): void {
  let hash = WORD_SEED;
  let before = WORD_EDGE;
  let at = word.charCodeAt(0);
  for (let next = 1; next <= word.length; next += 1) {
    const after = next < word.length ? word.charCodeAt(next) : WORD_EDGE;
    hash = mix(hash, at);
    add(vector, mix(mix(mix(TRIGRAM_SEED, before), at), after), weight * TRIGRAM_WEIGHT);
    before = at;
    at = after;
  }
  add(vector, hash, weight);
}

/** One step of FNV-1a over a UTF-16 unit. */
function mix(hash: number, unit: number): number {
  return Math.imul(Math.imul(hash ^ (unit & 0xff), FNV_PRIME) ^ (unit >>> 8), FNV_PRIME);
}

function add(vector: Float32Array, hash: number, weight: number): void {
  // FNV's low bits are weak on short input: murmur's finish spreads them.
  let spread = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  spread = Math.imul(spread ^ (spread >>> 13), 0xc2b2ae35);
  spread = (spread ^ (spread >>> 16)) >>> 0;
  const at = (spread >>> 1) % vector.length;
  vector[at] = (vector[at] ?? 0) + (spread & 1 ? weight : -weight);
}

function normalise(vector: Float32Array): Float32Array {
  const length = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
  if (length > 0) return vector.map((value) => value / length);
  vector[0] = 1;
  return vector;
}
