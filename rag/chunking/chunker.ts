// C1: each character of the text that is no blank stands in a chunk.
// C2: a chunk's text is what stands at its span, after the header of its table where that had to be cut.
// C3: the same text gives the same chunks, wherever an ingest was resumed.
import type { Chunk, ChunkSettings } from '../chunk.ts';
import type { ParsedPage } from '../parsed-document.ts';
import { type TableHeader, type Unit, unitsOf } from './block-units.ts';
import { overlapOf } from './overlap.ts';

/** Makes chunks of the pages of one document, in order. */
export interface Chunker {
  chunksOf(page: ParsedPage): Iterable<Chunk>;
}

interface OpenChunk {
  start: number;
  end: number;
  tokens: number;
  header: TableHeader | null;
  isProse: boolean;
  hasOnlyHeadings: boolean;
}

/**
 * A chunk stays within one page and one section, and has at most `settings.tokens`, counted piece by piece.
 * `firstOrdinal` is for a document of which some pages have their chunks already.
 */
export function createChunker(settings: ChunkSettings, firstOrdinal = 0): Chunker {
  const path: { level: number; title: string }[] = [];
  let ordinal = firstOrdinal;

  function toChunk(page: ParsedPage, { start, end, header, tokens }: OpenChunk): Chunk {
    const text = page.text.slice(start, end);
    return {
      ordinal: ordinal++,
      text: header ? `${header.text}\n${text}` : text,
      headingPath: path.map(({ title }) => title),
      page: page.page,
      charStart: page.start + start,
      charEnd: page.start + end,
      tokens,
    };
  }

  function enter(heading: { level: number; title: string }): void {
    while (path.length > 0 && (path.at(-1)?.level ?? 0) >= heading.level) path.pop();
    path.push(heading);
  }

  return {
    *chunksOf(page) {
      let open: OpenChunk | null = null;
      for (const block of page.blocks) {
        if (block.heading) {
          if (open && !open.hasOnlyHeadings) {
            yield toChunk(page, open);
            open = null;
          }
          enter(block.heading);
        }
        for (const unit of unitsOf(page.text, block, settings.tokens)) {
          if (unit.end === unit.start) continue;
          const longer: OpenChunk | null = open && extend(open, unit, settings.tokens);
          if (open && !longer) yield toChunk(page, open);
          open = longer ?? begin(page.text, unit, open, settings);
        }
      }
      if (open) yield toChunk(page, open);
    },
  };
}

/** Null where the two do not fit together. What stands between them counts as one token. */
function extend(open: OpenChunk, unit: Unit, tokensMax: number): OpenChunk | null {
  const tokens = open.tokens + 1 + unit.tokens;
  if (tokens > tokensMax) return null;
  return {
    ...open,
    end: unit.end,
    tokens,
    isProse: isProse(unit),
    hasOnlyHeadings: open.hasOnlyHeadings && unit.kind === 'heading',
  };
}

function begin(text: string, unit: Unit, before: OpenChunk | null, settings: ChunkSettings): OpenChunk {
  const { start, end, header } = unit;
  const tokens = unit.tokens + (header ? header.tokens + 1 : 0);
  const fresh = {
    start,
    end,
    tokens,
    header,
    isProse: isProse(unit),
    hasOnlyHeadings: unit.kind === 'heading',
  };
  if (!before?.isProse || !fresh.isProse) return fresh;
  const overlap = overlapOf(text, before, Math.min(settings.overlap, settings.tokens - tokens - 1));
  return overlap ? { ...fresh, start: overlap.start, tokens: tokens + 1 + overlap.tokens } : fresh;
}

const isProse = ({ kind }: Unit) => kind === 'paragraph' || kind === 'list';
