const ZEROS_LOOKED_AT = 4_096;
const CHARSET_LOOKED_AT = 2_048;
// Of the zero bytes of a text in UTF-16 nearly all are on one side.
const ONE_SIDE = 20;

/**
 * The text of bytes of an unknown charset: by its byte order mark, else UTF-8 where it is valid, else what an HTML page
 * says of itself, else Windows-1252, which has a character for each byte. NUL and halves of characters become U+FFFD, for
 * no store takes them; the length stays what it was.
 */
export function decodeText(bytes: Uint8Array, kind: 'html' | 'text' = 'text'): string {
  const text = decode(bytes, kind);
  return (text.includes('\0') ? text.replaceAll('\0', '\uFFFD') : text).toWellFormed();
}

/** Whether it is some text, and not a file of another kind. */
export function isText(bytes: Uint8Array): boolean {
  if (markedCharset(bytes) || utf16Charset(bytes)) return true;
  return !bytes.subarray(0, ZEROS_LOOKED_AT).includes(0);
}

function decode(bytes: Uint8Array, kind: 'html' | 'text'): string {
  const marked = markedCharset(bytes) ?? utf16Charset(bytes);
  if (marked) return new TextDecoder(marked).decode(bytes);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return namedDecoder(kind === 'html' ? bytes : new Uint8Array()).decode(bytes);
  }
}

function markedCharset(bytes: Uint8Array): string | null {
  const [first, second, third] = bytes;
  if (first === 0xef && second === 0xbb && third === 0xbf) return 'utf-8';
  if (first === 0xff && second === 0xfe) return 'utf-16le';
  return first === 0xfe && second === 0xff ? 'utf-16be' : null;
}

/** UTF-16 without a mark, told by its zero bytes. */
function utf16Charset(bytes: Uint8Array): string | null {
  const zeros = [0, 0];
  const length = Math.min(bytes.length, ZEROS_LOOKED_AT);
  for (let at = 0; at < length; at++) if (bytes[at] === 0) zeros[at % 2] = (zeros[at % 2] ?? 0) + 1;
  const [even = 0, odd = 0] = zeros;
  if (Math.max(even, odd) < length / 10) return null;
  if (odd > even * ONE_SIDE) return 'utf-16le';
  return even > odd * ONE_SIDE ? 'utf-16be' : null;
}

function namedDecoder(html: Uint8Array) {
  const head = new TextDecoder('latin1').decode(html.subarray(0, CHARSET_LOOKED_AT));
  const [, name] = /charset\s*=\s*["']?([\w-]+)/i.exec(head) ?? [];
  try {
    return new TextDecoder(name ?? 'windows-1252');
  } catch {
    return new TextDecoder('windows-1252');
  }
}
