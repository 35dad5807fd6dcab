/** A run of text on a page as pdf.js gives it; marks of structure have no `str`. */
interface TextItem {
  str: string;
  hasEOL: boolean;
  height: number;
  /** The last is the height on the page. */
  transform: unknown[];
}

// Lines further apart than this many of their heights are of two paragraphs.
const PARAGRAPH_GAP = 1.7;

/** The text of a page: lines of a paragraph joined by blanks, paragraphs apart by an empty line. */
export function pdfPageText(items: readonly (TextItem | object)[]): string {
  const paragraphs: string[] = [];
  let lines: string[] = [];
  let before: Line | null = null;
  for (const line of toLines(items)) {
    if (before && isFarFrom(line, before)) {
      paragraphs.push(joinLines(lines));
      lines = [];
    }
    lines.push(line.text);
    before = line;
  }
  paragraphs.push(joinLines(lines));
  const text = paragraphs.filter((paragraph) => paragraph !== '').join('\n\n');
  return text.replaceAll('\0', '\uFFFD').toWellFormed().trim();
}

interface Line {
  text: string;
  y: number;
  height: number;
}

function* toLines(items: readonly (TextItem | object)[]): Iterable<Line> {
  let text = '';
  let y = 0;
  let height = 0;
  for (const item of items) {
    if (!('str' in item)) continue;
    if (item.str.trim() !== '') {
      y = Number(item.transform[5]);
      height = Math.max(height, item.height);
    }
    text += item.str;
    if (!item.hasEOL) continue;
    if (text.trim() !== '') yield { text: text.trim(), y, height };
    text = '';
    height = 0;
  }
  if (text.trim() !== '') yield { text: text.trim(), y, height };
}

// What stands above is another column, or a page's foot.
function isFarFrom(line: Line, before: Line): boolean {
  const gap = before.y - line.y;
  return gap < 0 || gap > PARAGRAPH_GAP * Math.max(before.height, line.height, 1);
}

/** A word that was broken at the end of its line is made whole. */
function joinLines(lines: readonly string[]): string {
  return lines
    .join('\n')
    .replace(/(?<=\p{Ll})-\n(?=\p{Ll})/gu, '')
    .replaceAll('\n', ' ');
}
