import type { ParsedBlock } from '../parsed-document.ts';

const PARAGRAPH_END = /\n[ \t\r]*\n\s*/g;

/** The paragraphs of a text without marks: what stands between empty lines. */
export function plainBlocks(text: string): ParsedBlock[] {
  return splitAt(text, PARAGRAPH_END, 'paragraph');
}

const CODE_BLOCK_END = /\n[ \t\r]*\n\s*?(?=[^\s)}\]])/g;

/** Parts of source code: what stands between empty lines that nothing indented follows. */
export function codeBlocks(text: string): ParsedBlock[] {
  return splitAt(text, CODE_BLOCK_END, 'code');
}

function splitAt(text: string, separator: RegExp, kind: 'paragraph' | 'code'): ParsedBlock[] {
  const blocks: ParsedBlock[] = [];
  let start = 0;
  for (const { index, 0: found } of text.matchAll(separator)) {
    blocks.push({ kind, start, end: index });
    start = index + found.length;
  }
  blocks.push({ kind, start, end: text.length });
  return blocks.filter((block) => block.end > block.start);
}
