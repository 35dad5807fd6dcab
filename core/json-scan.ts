export const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/**
 * The index behind the closing quote of the JSON string that opens at `open`; the text's length when it never
 * closes. Jumps from quote to quote, so that an image in base64 costs one search. Linear: each backslash is
 * counted for one quote only.
 */
export function endOfString(text: string, open: number): number {
  let close = text.indexOf('"', open + 1);
  while (close !== -1 && isEscaped(text, close)) close = text.indexOf('"', close + 1);
  return close === -1 ? text.length : close + 1;
}

function isEscaped(text: string, quote: number): boolean {
  let at = quote - 1;
  while (text.charCodeAt(at) === BACKSLASH) at -= 1;
  return (quote - 1 - at) % 2 === 1;
}
