import type { SearchHit } from './search-service.ts';
import { textTerms } from './text-terms.ts';

/** A place in a document that an answer rests on. */
export interface Citation {
  /** The number in the answer. */
  index: number;
  document_id: string;
  chunk_id: string;
  /** As it stands in the document. */
  quote: string;
  char_start: number;
  char_end: number;
}

const MARK = /\[(\d{1,3}(?:\s*[,;]\s*\d{1,3})*)\]/g;
const SENTENCE = /[^.!?。！？\n]+[.!?。！？]*/gu;
const CITATIONS_MAX = 200;

/**
 * What an answer's marks `[n]` stand for, in their order. Quoted is the sentence of the source that has most words of the
 * statement before the mark. A mark that names no source stands for nothing, and is left out.
 */
export function findCitations(answer: string, sources: readonly SearchHit[]): Citation[] {
  const citations = new Map<string, Citation>();
  let statementStart = 0;
  for (const mark of answer.matchAll(MARK)) {
    const statement = lastSentence(answer.slice(statementStart, mark.index));
    for (const text of (mark[1] ?? '').split(/[,;]/)) {
      const index = Number(text);
      const source = sources[index - 1];
      if (!source) continue;
      const citation = cite(index, source, statement);
      citations.set(`${index} ${citation.char_start}`, citation);
      if (citations.size >= CITATIONS_MAX) return [...citations.values()];
    }
    // In `[1][2]` both stand for the same.
    if (!/^\s*\[\d/.test(answer.slice(mark.index + mark[0].length))) {
      statementStart = mark.index + mark[0].length;
    }
  }
  return [...citations.values()];
}

function lastSentence(text: string): string {
  const plain = text.replaceAll(MARK, ' ').trim();
  return plain.match(SENTENCE)?.at(-1) ?? plain;
}

function cite(index: number, source: SearchHit, statement: string): Citation {
  const { start, end } = bestSentence(source, statement);
  const shift = source.charStart - repeatedChars(source);
  return {
    index,
    document_id: source.documentId,
    chunk_id: source.chunkId,
    quote: source.text.slice(start, end),
    char_start: shift + start,
    char_end: shift + end,
  };
}

/** Characters before the chunk's own text: a table's header, repeated. */
function repeatedChars({ text, charStart, charEnd }: SearchHit): number {
  return Math.max(0, text.length - (charEnd - charStart));
}

function bestSentence(source: SearchHit, statement: string): { start: number; end: number } {
  const { text } = source;
  const first = repeatedChars(source);
  const wanted = new Set(textTerms(statement));
  let best = { start: first, end: text.length, shared: 0 };
  for (const match of text.slice(first).matchAll(SENTENCE)) {
    const lead = match[0].length - match[0].trimStart().length;
    const start = first + match.index + lead;
    const shared = new Set(textTerms(match[0]).filter((term) => wanted.has(term))).size;
    if (shared > best.shared) best = { start, end: start + match[0].trim().length, shared };
  }
  return best;
}
