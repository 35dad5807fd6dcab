/** A part of a text, in UTF-16 units. */
export interface Span {
  start: number;
  end: number;
}

/** Without the blanks around it. It is empty where there is nothing else. */
export function trimSpan(text: string, { start, end }: Span): Span {
  let from = start;
  let to = end;
  while (to > from && isBlank(text.charCodeAt(to - 1))) to--;
  while (from < to && isBlank(text.charCodeAt(from))) from++;
  return { start: from, end: to };
}

/** As `trimSpan`, but the first line keeps its indent. */
export function trimLines(text: string, span: Span): Span {
  const { start, end } = trimSpan(text, span);
  const lineStart = text.lastIndexOf('\n', start - 1) + 1;
  const indentStart = Math.max(span.start, lineStart);
  return { start: end > start && indentStart < start ? indentStart : start, end };
}

/** A place to cut at or before `at`, so that no character of two units is cut in the middle. */
export function safeCut(text: string, at: number): number {
  const isInside = isHighSurrogate(text.charCodeAt(at - 1)) && isLowSurrogate(text.charCodeAt(at));
  return isInside ? at - 1 : at;
}

export function isBlank(code: number): boolean {
  if (code <= 32) return code === 32 || (code >= 9 && code <= 13);
  return code === 0xa0 || (code >= 0x1680 && BLANK.test(String.fromCharCode(code)));
}

const BLANK = /\s/;
const isHighSurrogate = (code: number) => code >= 0xd800 && code <= 0xdbff;
const isLowSurrogate = (code: number) => code >= 0xdc00 && code <= 0xdfff;
