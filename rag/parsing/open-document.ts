import type { DocumentFacts, ReadPosition } from '../document-reader.ts';
import { DocumentRefused } from '../document-refused.ts';
import type { ParsedBlock, ParsedPage } from '../parsed-document.ts';
import { decodeText } from './decode-text.ts';
import { detectFormat, type Format } from './detect-format.ts';
import { markdownBlocks } from './markdown-blocks.ts';
import { codeBlocks, plainBlocks } from './plain-blocks.ts';

export interface ParseLimits {
  pagesMax: number;
  /** UTF-16 units of extracted text. */
  textLengthMax: number;
  /** What a packed document may come to. */
  unpackedBytesMax: number;
}

export interface DocumentBytes {
  bytes: Uint8Array;
  fileName: string | null;
  mediaType: string | null;
}

/** A document of which the pages can be read. */
export interface OpenDocument {
  facts: DocumentFacts;
  pages(from: ReadPosition | null): AsyncIterable<ParsedPage>;
  close(): Promise<void>;
}

interface DocumentText {
  text: string;
  title: string | null;
  blocks: ParsedBlock[];
}

type ReadText = (source: DocumentBytes, limits: ParseLimits) => DocumentText | Promise<DocumentText>;

// Loaded when the first such document comes: each library costs memory.
const READ_TEXT = {
  txt: (source) => ofBlocks(decodeText(source.bytes), plainBlocks),
  md: (source) => ofBlocks(decodeText(source.bytes), markdownBlocks),
  code: (source) => ofBlocks(decodeText(source.bytes), codeBlocks),
  json: async (source) =>
    ofBlocks((await import('./json-lines.ts')).jsonLines(decodeText(source.bytes)), codeBlocks),
  csv: async (source) => {
    const table = (await import('./csv-table.ts')).csvTable(decodeText(source.bytes));
    return table === null ? ofBlocks(decodeText(source.bytes), plainBlocks) : ofBlocks(table, markdownBlocks);
  },
  html: async (source) => {
    const { markdown, title } = (await import('./html-markdown.ts')).htmlToMarkdown(
      decodeText(source.bytes, 'html'),
    );
    return { ...ofBlocks(markdown, markdownBlocks), title };
  },
  docx: async (source, limits) => {
    const { markdown, title } = await (await import('./docx-markdown.ts')).docxToMarkdown(
      source.bytes,
      limits,
    );
    return { ...ofBlocks(markdown, markdownBlocks), title };
  },
} as const satisfies Record<Exclude<Format, 'pdf'>, ReadText>;

/** Throws DocumentRefused. */
export async function openDocument(source: DocumentBytes, limits: ParseLimits): Promise<OpenDocument> {
  if (source.bytes.length === 0) throw new DocumentRefused('empty_file');
  const format = detectFormat(source);
  if (format === 'pdf') return await (await import('./pdf-document.ts')).openPdf(source.bytes, limits);
  const { text, title, blocks } = await READ_TEXT[format](source, limits);
  if (text.length > limits.textLengthMax) throw new DocumentRefused('too_large');
  const heading = blocks.find((block) => block.heading)?.heading;
  return {
    facts: { format, title: title ?? (heading?.level === 1 ? heading.title : null), pagesTotal: null },
    async *pages(from) {
      if (from === null || from.pagesDone === 0) yield { page: null, start: 0, text, blocks };
    },
    close: async () => {},
  };
}

function ofBlocks(text: string, blocksOf: (text: string) => ParsedBlock[]): DocumentText {
  return { text, title: null, blocks: blocksOf(text) };
}
