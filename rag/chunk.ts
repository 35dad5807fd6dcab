/** A part of a document's text that is found, and cited, by itself. */
export interface Chunk {
  /** From 0, in the order of the text. */
  ordinal: number;
  text: string;
  /** The headings it stands under, outermost first. */
  headingPath: string[];
  /** From 1; null where the format has no pages. */
  page: number | null;
  /** Of the extracted text, in UTF-16 units; `text` may add a table's repeated header to what stands there. */
  charStart: number;
  charEnd: number;
  tokens: number;
}

export interface ChunkSettings {
  tokens: number;
  overlap: number;
}
