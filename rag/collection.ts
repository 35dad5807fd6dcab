import type { Json } from '../core/json-value.ts';
import type { ChunkSettings } from './chunk.ts';
import type { FusionWeights } from './vector-store.ts';

/** Documents that are searched together. */
export interface Collection {
  id: string;
  name: string;
  /** The API key's name; '' where there are no keys. */
  owner: string;
  /** Whether others see it too. */
  isShared: boolean;
  /** Null: searched by words only. */
  embeddingModel: string | null;
  chunk: ChunkSettings;
  /** Of the lists that a search fuses. */
  weights: FusionWeights;
  metadata: Json;
  /** The index that is searched. */
  activeVersion: string;
  createdAt: Date;
}

export type NewCollection = Omit<Collection, 'activeVersion' | 'createdAt'>;

/** Its documents under one embedding model and one way to cut them. */
export interface IndexVersion {
  id: string;
  collectionId: string;
  embeddingModel: string | null;
  /** Known with the first vector. */
  dimensions: number | null;
  chunk: ChunkSettings;
  state: 'building' | 'active' | 'retired';
  createdAt: Date;
  retiredAt: Date | null;
}

export interface CollectionCounts {
  documents: number;
  chunks: number;
}

/** How far an index has come that is built beside the active one. */
export interface BuildProgress {
  ready: number;
  failed: number;
  total: number;
  /** The first of those that failed. */
  failures: BuildFailure[];
}

/** A document that the index could not take in; the one that is searched has it still. */
export interface BuildFailure {
  documentId: string;
  externalId: string;
  reasonCode: string | null;
  error: string | null;
}

interface CollectionPage {
  limit: number;
  after: string | null;
  /** Whose, and what is shared; undefined: all. */
  owner: string | undefined;
}

export interface CollectionStore {
  /** Throws AppError `conflict` where the name is taken. */
  insert(collection: NewCollection): Promise<Collection>;
  byName(name: string): Promise<Collection | null>;
  byId(id: string): Promise<Collection | null>;
  /** By name; `limit` and one more where there are more. */
  list(page: CollectionPage): Promise<Collection[]>;
  counts(id: string): Promise<CollectionCounts>;
  versions(id: string): Promise<IndexVersion[]>;
  /** Gone from the next read on; a sweep takes away what is left of it. False where it is gone already. */
  remove(id: string): Promise<boolean>;
  change(id: string, change: Partial<Pick<Collection, 'isShared' | 'metadata' | 'weights'>>): Promise<void>;

  /** Begins an index beside the active one, in place of one that is being built. Throws AppError `not_found`. */
  build(id: string, settings: { embeddingModel: string | null; chunk: ChunkSettings }): Promise<IndexVersion>;
  /** Gives up an index that is being built, or else begins to go back to the one before. False where there is neither. */
  rollback(id: string): Promise<boolean>;
  building(): Promise<IndexVersion[]>;
  /** Begins to make again, for the index being built, documents that it has not; gives how many. */
  remake(version: IndexVersion, max: number): Promise<number>;
  progress(version: IndexVersion): Promise<BuildProgress>;
  /** In one transaction, once the index has every document as it is now, or has tried them; else false. What it could not take
   *  in is then a document that failed, with its bytes. */
  switchTo(version: IndexVersion, options: { withoutFailed: boolean }): Promise<boolean>;
}
