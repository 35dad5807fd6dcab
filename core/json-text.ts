import { endOfString, QUOTE } from './json-scan.ts';

const COMMA = 0x2c;
const BRACE_OPEN = 0x7b;
const BRACE_CLOSE = 0x7d;
const BRACKET_OPEN = 0x5b;
const BRACKET_CLOSE = 0x5d;

/** Where a member of the outermost object stands in the text, blanks around its value left out. */
interface Member {
  key: string;
  valueStart: number;
  valueEnd: number;
}

/**
 * The JSON object in `text` with these top-level members set to the given raw JSON values, everything else byte
 * for byte as it was: parsing and writing again would round a 20-digit seed. `text` must have passed JSON.parse.
 */
export function withMembers(text: string, members: Record<string, string>): string {
  const missing = new Map(Object.entries(members));
  const wanted = new Map(missing);
  const pieces: string[] = [];
  let copied = 0;
  let end = text.indexOf('{') + 1;
  const isEmpty = firstSolid(text, end) === text.lastIndexOf('}');

  for (const { key, valueStart, valueEnd } of topLevelMembers(text)) {
    const value = wanted.get(key);
    if (value !== undefined && missing.delete(key)) {
      pieces.push(text.slice(copied, valueStart), value);
      copied = valueEnd;
    } else if (value !== undefined) {
      // A duplicate is never the first member, so that its comma is the one before it.
      pieces.push(text.slice(copied, end));
      copied = valueEnd;
    }
    end = valueEnd;
  }

  pieces.push(text.slice(copied, end));
  const added = Array.from(missing, ([key, value]) => `${JSON.stringify(key)}:${value}`).join(',');
  if (added !== '' && !isEmpty) pieces.push(',');
  pieces.push(added, text.slice(end));
  return pieces.join('');
}

/** The raw JSON of a top-level member, the last one of duplicates (as JSON.parse reads them). */
export function memberText(text: string, key: string): string | undefined {
  let found: Member | undefined;
  for (const member of topLevelMembers(text)) {
    if (member.key === key) found = member;
  }
  return found && text.slice(found.valueStart, found.valueEnd);
}

function* topLevelMembers(text: string): Generator<Member> {
  let at = firstSolid(text, text.indexOf('{') + 1);
  while (text.charCodeAt(at) === QUOTE) {
    const keyStart = at;
    const keyEnd = endOfString(text, keyStart);
    const valueStart = firstSolid(text, text.indexOf(':', keyEnd) + 1);
    const valueEnd = endOfValue(text, valueStart);
    yield { key: readKey(text, keyStart, keyEnd), valueStart, valueEnd };
    const separator = firstSolid(text, valueEnd);
    if (text.charCodeAt(separator) !== COMMA) return;
    at = firstSolid(text, separator + 1);
  }
}

function readKey(text: string, start: number, end: number): string {
  const inner = text.slice(start + 1, end - 1);
  return inner.includes('\\') ? JSON.parse(text.slice(start, end)) : inner;
}

function firstSolid(text: string, from: number): number {
  let at = from;
  while (isBlank(text.charCodeAt(at))) at += 1;
  return at;
}

const isBlank = (code: number) => code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;

function endOfValue(text: string, start: number): number {
  const code = text.charCodeAt(start);
  if (code === QUOTE) return endOfString(text, start);
  if (code === BRACE_OPEN || code === BRACKET_OPEN) return endOfNested(text, start);
  let at = start;
  while (at < text.length && !endsScalar(text.charCodeAt(at))) at += 1;
  return at;
}

const endsScalar = (code: number) => code === COMMA || code === BRACE_CLOSE || isBlank(code);

function endOfNested(text: string, start: number): number {
  let depth = 0;
  for (let at = start; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      at = endOfString(text, at) - 1;
    } else if (code === BRACE_OPEN || code === BRACKET_OPEN) {
      depth += 1;
    } else if (code === BRACE_CLOSE || code === BRACKET_CLOSE) {
      depth -= 1;
      if (depth === 0) return at + 1;
    }
  }
  return text.length;
}
