/** How much of what to measure. */
export interface Plan {
  /** Short documents: read, taken in, taken in with embeddings. */
  documents: number;
  /** What the searched collection is filled up to. */
  chunks: number;
  searches: number;
  pdfPages: number;
  chats: number;
}

export const FULL_PLAN: Plan = {
  documents: 5_000,
  chunks: 20_000,
  searches: 300,
  pdfPages: 300,
  chats: 150,
};

export const QUICK_PLAN: Plan = { documents: 300, chunks: 1_000, searches: 40, pdfPages: 40, chats: 20 };

/** The simulated server answers at once. */
export const CHAT_MODEL = 'sim:tokens=1';
export const EMBEDDING_MODEL = 'sim-embed';
/** What sim-embed gives unless told. */
export const DIMENSIONS = 256;
// The made-up words take half as many tokens again as English: a short document is one chunk, as SciFact's are at 400.
export const CHUNK = { tokens: 600, overlap: 60 };
