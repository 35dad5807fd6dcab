import { stemmer } from 'stemmer';

/** Longer words are cut: what is longer is data, not language. In UTF-16 units. */
const TERM_LENGTH_MAX = 64;

// Lucene's default for English, so that scores can be held against what others measured.
const STOP_WORDS = new Set(
  `a an and are as at be but by for if in into is it no not of on or such that the their then there these they this to
   was will with`.split(/\s+/),
);

// Letters and digits with their marks; inside a word an apostrophe, between digits a point or a comma.
const WORD =
  /[\p{L}\p{N}][\p{L}\p{N}\p{M}]*(?:(?:['’](?=\p{L})|(?<=\p{N})[.,](?=\p{N}))[\p{L}\p{N}\p{M}]+)*/gu;
const POSSESSIVE = /['’]s$/u;
const ENGLISH = /^[a-z]{3,}$/;
// These write without spaces between words.
const UNSPACED =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}ー]+/gu;

/**
 * The terms of a text in its order, as they are indexed and asked for: words in lower case (NFKC), without English stop
 * words, by their stem (Porter). Text of scripts without spaces gives each character and each pair of neighbours.
 */
export function textTerms(text: string): string[] {
  const terms: string[] = [];
  for (const [word] of text.normalize('NFKC').toLowerCase().matchAll(WORD)) addWord(terms, word);
  return terms;
}

/** How often each term stands in the texts together: a chunk's title, headings and text. */
export function countTerms(texts: readonly (string | null)[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const text of texts) {
    if (text === null) continue;
    for (const term of textTerms(text)) counts.set(term, (counts.get(term) ?? 0) + 1);
  }
  return counts;
}

function addWord(terms: string[], word: string): void {
  if (ENGLISH.test(word)) {
    addSpaced(terms, word);
    return;
  }
  let end = 0;
  for (const run of word.matchAll(UNSPACED)) {
    addSpaced(terms, word.slice(end, run.index));
    addUnspaced(terms, run[0]);
    end = run.index + run[0].length;
  }
  addSpaced(terms, word.slice(end));
}

function addSpaced(terms: string[], word: string): void {
  const bare = word.replace(POSSESSIVE, '');
  if (bare === '' || STOP_WORDS.has(bare)) return;
  terms.push(cut(ENGLISH.test(bare) ? stemOf(bare) : bare));
}

function addUnspaced(terms: string[], run: string): void {
  let previous: string | null = null;
  for (const character of run) {
    terms.push(character);
    if (previous !== null) terms.push(previous + character);
    previous = character;
  }
}

function cut(term: string): string {
  if (term.length <= TERM_LENGTH_MAX) return term;
  // Not through the middle of a surrogate pair, which Postgres would refuse.
  return term.slice(0, TERM_LENGTH_MAX).toWellFormed().replaceAll('\uFFFD', '');
}

const STEMS_MAX = 20_000;
const stems = new Map<string, string>();

// A text's words are mostly the same few thousand, and a stem costs some 40 expressions.
function stemOf(word: string): string {
  const known = stems.get(word);
  if (known !== undefined) return known;
  const stem = stemmer(cut(word));
  if (stems.size >= STEMS_MAX) stems.clear();
  stems.set(word, stem);
  return stem;
}
