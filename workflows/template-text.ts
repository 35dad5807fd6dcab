import { AppError } from '../core/errors.ts';

/** A part of a string: text as it stands, or the source of an expression that stood in `${{ … }}`. */
export type TextPart = { text: string } | { source: string };

const OPEN = '${{';

/** Splits a string at its `${{ … }}`. Throws AppError `invalid_request` when one of them is never closed. */
export function splitText(text: string): TextPart[] {
  const parts: TextPart[] = [];
  let copied = 0;
  for (let open = text.indexOf(OPEN); open !== -1; open = text.indexOf(OPEN, copied)) {
    const start = open + OPEN.length;
    const end = endOfExpression(text, start);
    if (end === -1) {
      throw new AppError('invalid_request', `"\${{" at character ${open + 1} is never closed by "}}".`);
    }
    if (open > copied) parts.push({ text: text.slice(copied, open) });
    parts.push({ source: text.slice(start, end).trim() });
    copied = end + 2;
  }
  if (copied < text.length || parts.length === 0) parts.push({ text: text.slice(copied) });
  return parts;
}

/** Where the `}}` stands that ends the expression: not one in a string, nor one that closes `{"a": {}}`. */
function endOfExpression(text: string, start: number): number {
  let depth = 0;
  for (let at = start; at < text.length; at += 1) {
    const char = text[at];
    if (char === '{') depth += 1;
    else if (char === '}' && depth > 0) depth -= 1;
    else if (char === '}' && text[at + 1] === '}') return at;
    else if (char === '"' || char === "'") at = endOfString(text, at) - 1;
  }
  return -1;
}

// As the library reads them: a backslash takes the next character with it, in raw strings too.
function endOfString(text: string, open: number): number {
  const triple = (text[open] ?? '').repeat(3);
  const quote = text.startsWith(triple, open) ? triple : triple.charAt(0);
  for (let at = open + quote.length; at < text.length; at += 1) {
    if (text[at] === '\\') at += 1;
    else if (text.startsWith(quote, at)) return at + quote.length;
  }
  return text.length;
}
