/** A piece of a document as it is parsed: a page of a PDF, or the whole of what has no pages. */
export interface ParsedPage {
  /** From 1; null where the format has no pages. */
  page: number | null;
  /** Where `text` begins in the extracted text, in UTF-16 units. The extracted text is the same each time. */
  start: number;
  text: string;
  /** In order, without overlaps; between them is nothing but blanks. */
  blocks: ParsedBlock[];
}

/** A part of a page's text that should stay together where it fits. */
export interface ParsedBlock {
  kind: 'heading' | 'paragraph' | 'table' | 'code' | 'list';
  /** In the page's text. */
  start: number;
  end: number;
  /** Of a heading. */
  heading?: { level: number; title: string };
}
