/** What is searched of one chunk. The same id with the same content is the same point: writing it again changes nothing. */
export interface Point {
  /** A UUID (v5) that follows from what the chunk is. */
  id: string;
  documentId: string;
  /** How often each term stands in it (rag/text-terms). */
  terms: ReadonlyMap<string, number>;
  /** Null in an index without vectors. */
  vector: Float32Array | null;
}

export interface VectorIndex {
  /** The index version's id. */
  id: string;
  /** Null: lexical only. */
  dimensions: number | null;
}

export interface VectorQuery {
  /** Terms of the question; null: not asked by words. */
  terms: readonly string[] | null;
  /** Null: not asked by meaning. */
  vector: Float32Array | null;
  /** Hits wanted of each of the two. */
  limit: number;
  /** Only points of these; null: of all. */
  documentIds: readonly string[] | null;
  /** How the two become one list, for a store that makes it itself. */
  fusion?: { rankConstant: number; weights: FusionWeights };
}

export interface FusionWeights {
  lexical: number;
  dense: number;
}

/** Best first. */
interface Found {
  lexical: Hit[];
  dense: Hit[];
  /** One list of both by reciprocal rank fusion, in the place of the two: where both were asked for with `fusion`, of a store
   *  that can fuse so. */
  fused?: Hit[];
}

export interface Hit {
  id: string;
  /** BM25, or the cosine similarity. */
  score: number;
}

/** An index that can be built anew from the rows: what is visible, they say. Its writes are idempotent. */
export interface VectorStore {
  readonly kind: 'pgvector' | 'qdrant';
  /** Whether it takes vectors: a Postgres without pgvector has words only. */
  readonly hasVectors: boolean;
  /** Makes the index where it is not there yet. */
  ensure(index: VectorIndex): Promise<void>;
  upsert(index: VectorIndex, points: readonly Point[]): Promise<void>;
  remove(index: VectorIndex, ids: readonly string[]): Promise<void>;
  search(index: VectorIndex, query: VectorQuery): Promise<Found>;
  /** Ids in the index, in pages; to compare them with the rows. */
  ids(index: VectorIndex, after: string | null, limit: number): Promise<string[]>;
  drop(index: VectorIndex): Promise<void>;
  /** Lets others find a collection's active index by the collection's id, where the store has such names. The rows say which is
   *  searched, never this. */
  activate?(index: Pick<VectorIndex, 'id'>, collectionId: string): Promise<void>;
  ping(): Promise<unknown>;
}
