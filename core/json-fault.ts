import { endOfString } from './json-scan.ts';

const POSITIONED = /^(.*?)(?: in JSON)? at position (\d+)/;
const VALUE_OR_BLANK = /(?:true|false|null|-?[0-9][-+.0-9eE]*|[ \t\r\n]+)/y;

/**
 * Why JSON.parse refused `text`, as "<reason> at position N". V8's own message can quote the text, which may hold
 * what must not reach a log, and then names no position; this never quotes and looks for the place itself.
 */
export function describeJsonFault(text: string, error: unknown): string {
  const message = error instanceof Error ? error.message : '';
  const [, reason, position] = POSITIONED.exec(message) ?? [];
  if (reason !== undefined) return `${reason} at position ${position}`;
  const at = message === 'Unexpected end of JSON input' ? text.length : positionOfWrongValue(text);
  return at === text.length ? `Unexpected end at position ${at}` : `Unexpected character at position ${at}`;
}

/** The first place where a value is due and something else stands: the one fault for which V8 gives no position. */
function positionOfWrongValue(text: string): number {
  let before = '';
  let at = 0;
  while (at < text.length) {
    const char = text.charAt(at);
    if (char === '"') {
      at = endOfString(text, at);
      before = char;
    } else if ('{}[],:'.includes(char)) {
      if (isValueDue(before, char)) return at;
      before = char;
      at += 1;
    } else {
      VALUE_OR_BLANK.lastIndex = at;
      const [token] = VALUE_OR_BLANK.exec(text) ?? [];
      if (token === undefined) return at;
      if (token.trim() !== '') before = token;
      at += token.length;
    }
  }
  return at;
}

function isValueDue(before: string, char: string): boolean {
  if (char === '{' || char === '[') return false;
  if (before === '[') return char !== ']';
  return before === '' || before === ':' || before === ',';
}
