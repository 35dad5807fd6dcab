import { isBlank, type Span, safeCut } from './span.ts';
import { countTokens } from './token-count.ts';

/** Parts of a span, in order and without gaps, that may stand in different chunks; for `cuts` none of them is too long. */
export type Splitter = (text: string, span: Span, tokensMax: number) => Iterable<Span>;

const WINDOW_LENGTH = 4_096;
// What a token is long in plain English; other texts have shorter ones.
const TOKEN_LENGTH = 4;
// No character of one unit is more than 3 bytes, and no token less than one.
const TOKENS_PER_UNIT_MAX = 3;
// No word that is worth keeping whole is longer.
const WORD_LENGTH_MAX = 200;
const ASCII_RUN = /^[!-~]+$/;

const segmenter = new Intl.Segmenter('en', { granularity: 'sentence' });

/** Sentences; one of more than 4 096 units is cut. In windows, since the segmenter copies what it is given. */
export function* sentences(text: string, { start, end }: Span): Iterable<Span> {
  let at = start;
  while (at < end) {
    const windowEnd = wordEnd(text, at, Math.min(end, at + WINDOW_LENGTH), end);
    const found = sentenceLengths(text.slice(at, windowEnd));
    // The last may go on behind the window.
    if (windowEnd < end && found.length > 1) found.pop();
    for (const length of found) {
      yield { start: at, end: at + length };
      at += length;
    }
  }
}

function sentenceLengths(text: string): number[] {
  // No prose; the segmenter would take long for much of it.
  if (ASCII_RUN.test(text)) return [text.length];
  return Array.from(segmenter.segment(text), ({ segment }) => segment.length);
}

export function* lines(text: string, { start, end }: Span): Iterable<Span> {
  for (let at = start; at < end; ) {
    const next = text.indexOf('\n', at);
    const lineEnd = next === -1 || next >= end ? end : next + 1;
    yield { start: at, end: lineEnd };
    at = lineEnd;
  }
}

/** Groups of lines: each begins with a line for which `begins` says so. */
export function groupsOf(begins: (line: string, before: string) => boolean): Splitter {
  return function* (text, span) {
    let start = span.start;
    let before = '';
    for (const line of lines(text, span)) {
      // Enough to tell what it is.
      const head = text.slice(line.start, Math.min(line.end, line.start + 200));
      if (line.start > start && begins(head, before)) {
        yield { start, end: line.start };
        start = line.start;
      }
      before = head;
    }
    if (start < span.end) yield { start, end: span.end };
  };
}

/** Pieces of at most `tokensMax`, between words where there are any. */
export function* cuts(text: string, { start, end }: Span, tokensMax: number): Iterable<Span> {
  const lengthMax = tokensMax * TOKEN_LENGTH;
  let length = lengthMax;
  for (let at = start; at < end; ) {
    const cut = fittingCut(text, { start: at, end }, { tokensMax, length });
    yield { start: at, end: cut };
    // The next will be much like it.
    length = Math.min(lengthMax, Math.ceil((cut - at) * 1.2));
    at = cut;
  }
}

interface CutLimits {
  tokensMax: number;
  /** To begin with. */
  length: number;
}

function fittingCut(text: string, { start, end }: Span, limits: CutLimits): number {
  const lengthMin = Math.max(1, Math.floor(limits.tokensMax / TOKENS_PER_UNIT_MAX));
  for (let length = limits.length; length > lengthMin; ) {
    const cut = wordEnd(text, start, Math.min(end, start + length), end);
    const tokens = countTokens(text.slice(start, cut));
    if (tokens <= limits.tokensMax) return cut;
    length = Math.floor(Math.min(length * 0.9, ((cut - start) * 0.95 * limits.tokensMax) / tokens));
  }
  return Math.max(safeCut(text, Math.min(end, start + lengthMin)), Math.min(end, start + 1));
}

/** `at`, or the end of the last word before it, if one ends near it. */
function wordEnd(text: string, start: number, at: number, end: number): number {
  if (at >= end) return end;
  const nearest = Math.max(start + Math.ceil((at - start) / 2), at - WORD_LENGTH_MAX);
  for (let cut = at; cut > nearest; cut--) {
    if (isBlank(text.charCodeAt(cut - 1))) return cut;
  }
  return Math.max(safeCut(text, at), start + 1);
}
