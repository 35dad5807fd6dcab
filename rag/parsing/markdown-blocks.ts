import { lines } from '../chunking/text-parts.ts';
import type { ParsedBlock } from '../parsed-document.ts';

const HEADING = /^ {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*$/;
const UNDERLINE = /^ {0,3}(?:(=)=*|(-)-*)[ \t]*$/;
const FENCE = /^ {0,3}(`{3,}|~{3,})/;
const SEPARATOR_ROW =
  /^ {0,3}\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)+\|?[ \t]*$|^ {0,3}\|[ \t]*:?-+:?[ \t]*\|[ \t]*$/;
const ITEM = /^\s{0,3}(?:[-*+]|\d{1,9}[.)])[ \t]+\S/;
// Enough of a line to tell what it is; beyond it is a paragraph's.
const LINE_LENGTH_MAX = 2_000;
const TITLE_LENGTH_MAX = 200;

interface Line {
  start: number;
  end: number;
  text: string;
}

type Kind = ParsedBlock['kind'];

interface OpenBlock {
  kind: Kind;
  start: number;
  end: number;
  /** Of code: what closes it. */
  fence: string;
  isAfterBlank: boolean;
}

/** The blocks of a Markdown text: headings in both styles, fenced code, tables, lists, and paragraphs. */
export function markdownBlocks(text: string): ParsedBlock[] {
  const blocks: ParsedBlock[] = [];
  let open: OpenBlock | null = null;

  function close(): void {
    if (open) blocks.push({ kind: open.kind, start: open.start, end: open.end });
    open = null;
  }

  function begin(kind: Kind, line: Line, fence = ''): void {
    close();
    open = { kind, start: line.start, end: line.end, fence, isAfterBlank: false };
  }

  function addHeading(start: number, end: number, level: number, title: string): void {
    open = null;
    blocks.push({ kind: 'heading', start, end, heading: { level, title: toTitle(title) } });
  }

  function take(line: Line): void {
    const fence = FENCE.exec(line.text)?.[1];
    const heading = HEADING.exec(line.text);
    if (open?.fence) {
      open.end = line.end;
      if (closesFence(line.text, open.fence)) close();
    } else if (line.text.trim() === '') {
      if (open?.kind === 'list') open.isAfterBlank = true;
      else close();
    } else if (fence) begin('code', line, fence);
    else if (heading) {
      close();
      addHeading(line.start, line.end, heading[1]?.length ?? 1, heading[2] ?? '');
    } else if (open) goOn(open, line);
    else begin(ITEM.test(line.text) ? 'list' : 'paragraph', line);
  }

  function goOn(current: OpenBlock, line: Line): void {
    const before = current.kind === 'paragraph' ? lineOf(text, current) : null;
    const underline = before === null ? null : UNDERLINE.exec(line.text);
    if (before !== null && underline) addHeading(current.start, line.end, underline[1] ? 1 : 2, before);
    else if (endsBlock(current, line.text)) begin(ITEM.test(line.text) ? 'list' : 'paragraph', line);
    else {
      if (before?.includes('|') && SEPARATOR_ROW.test(line.text)) current.kind = 'table';
      current.end = line.end;
      current.isAfterBlank = false;
    }
  }

  for (const { start, end } of lines(text, { start: 0, end: text.length })) {
    take({
      start,
      end,
      text: text.slice(start, Math.min(end, start + LINE_LENGTH_MAX)).replace(/\r?\n$/, ''),
    });
  }
  close();
  return blocks;
}

function closesFence(line: string, fence: string): boolean {
  const trimmed = line.trim();
  return trimmed.length >= fence.length && trimmed === fence.charAt(0).repeat(trimmed.length);
}

/** The block's text where that is one line; null else. */
function lineOf(text: string, { start, end }: OpenBlock): string | null {
  if (end - start > LINE_LENGTH_MAX) return null;
  const line = text.slice(start, end).trimEnd();
  return line.includes('\n') ? null : line;
}

function endsBlock({ kind, isAfterBlank }: OpenBlock, line: string): boolean {
  if (kind === 'paragraph') return ITEM.test(line);
  if (kind === 'table') return !line.includes('|');
  return kind === 'list' && isAfterBlank && !ITEM.test(line) && !/^\s/.test(line);
}

/** As it reads: without marks of emphasis, code and links. */
function toTitle(markdown: string): string {
  const plain = markdown
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/[*`]+|(?<=^|\W)_+|_+(?=\W|$)/g, '');
  return plain.replace(/\s+/g, ' ').trim().slice(0, TITLE_LENGTH_MAX);
}
