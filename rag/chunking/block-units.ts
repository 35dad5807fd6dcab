import type { ParsedBlock } from '../parsed-document.ts';
import { type Span, trimLines, trimSpan } from './span.ts';
import { cuts, groupsOf, lines, type Splitter, sentences } from './text-parts.ts';
import { countUpTo } from './token-count.ts';

/** What stands in a chunk whole. */
export interface Unit extends Span {
  tokens: number;
  kind: ParsedBlock['kind'];
  /** Put before a chunk that begins with it: the header of the table it is from. */
  header: TableHeader | null;
}

export interface TableHeader {
  text: string;
  tokens: number;
}

// Longer ones are not counted as a whole: they would not fit.
const TOKEN_LENGTH_MAX = 16;
const HEADER_SHARE_MAX = 0.25;

const ITEM = /^\s{0,3}(?:[-*+•]|\d{1,9}[.)])\s/;
const SEPARATOR_ROW = /^\s*\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*$/;

// From coarse to fine: a part that does not fit is split by the next.
const SPLITTERS = {
  heading: [sentences, cuts],
  paragraph: [sentences, cuts],
  list: [groupsOf((line) => ITEM.test(line)), sentences, cuts],
  code: [groupsOf((line, before) => before.trim() === '' && /^[^\s)}\]]/.test(line)), lines, cuts],
  table: [lines, cuts],
} as const satisfies Record<ParsedBlock['kind'], readonly Splitter[]>;

/** The block as one unit where it fits, else in parts of at most `tokensMax`. */
export function* unitsOf(text: string, block: ParsedBlock, tokensMax: number): Iterable<Unit> {
  const whole = toUnit(text, block, block.kind, tokensMax);
  if (whole) return yield whole;
  const { kind } = block;
  if (kind === 'table') return yield* tableUnits(text, block, tokensMax);
  yield* parts(text, { ...block, kind, splitters: SPLITTERS[kind], tokensMax });
}

function* tableUnits(text: string, block: ParsedBlock, tokensMax: number): Iterable<Unit> {
  const header = headerOf(text, block);
  const repeated = toHeader(text, header, tokensMax);
  const shared = { kind: block.kind, splitters: SPLITTERS.table };
  yield* parts(text, { ...header, ...shared, tokensMax });
  const rows = { start: header.end, end: block.end, ...shared };
  const rowTokensMax = repeated ? tokensMax - repeated.tokens - 1 : tokensMax;
  for (const unit of parts(text, { ...rows, tokensMax: rowTokensMax })) yield { ...unit, header: repeated };
}

function headerOf(text: string, block: Span): Span {
  let header: Span | null = null;
  for (const line of lines(text, block)) {
    if (!header) header = line;
    else if (SEPARATOR_ROW.test(text.slice(line.start, Math.min(line.end, line.start + 2_000))))
      return { start: header.start, end: line.end };
    else break;
  }
  return header ?? { start: block.start, end: block.start };
}

function toHeader(text: string, span: Span, tokensMax: number): TableHeader | null {
  const { start, end } = trimSpan(text, span);
  if (end - start > tokensMax * TOKEN_LENGTH_MAX) return null;
  const tokens = countUpTo(text.slice(start, end), Math.floor(tokensMax * HEADER_SHARE_MAX));
  return tokens === null ? null : { text: text.slice(start, end), tokens };
}

interface Splitting extends Span {
  kind: ParsedBlock['kind'];
  splitters: readonly Splitter[];
  tokensMax: number;
}

function* parts(text: string, splitting: Splitting): Iterable<Unit> {
  const { kind, splitters, tokensMax } = splitting;
  const [splitter, ...finer] = splitters;
  if (!splitter) return;
  for (const part of splitter(text, splitting, tokensMax)) {
    const unit = toUnit(text, part, kind, tokensMax);
    if (unit) yield unit;
    else if (finer.length > 0) yield* parts(text, { ...part, kind, splitters: finer, tokensMax });
    // It was measured with the blanks around it, and may count one more without.
    else yield { ...trimSpan(text, part), tokens: tokensMax, kind, header: null };
  }
}

/** Null where it does not fit. One of no text is a unit of no length. */
function toUnit(text: string, span: Span, kind: ParsedBlock['kind'], tokensMax: number): Unit | null {
  const { start, end } = kind === 'code' ? trimLines(text, span) : trimSpan(text, span);
  if (end - start > tokensMax * TOKEN_LENGTH_MAX) return null;
  const tokens = countUpTo(text.slice(start, end), tokensMax);
  return tokens === null ? null : { start, end, tokens, kind, header: null };
}
