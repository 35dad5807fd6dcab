import type { Json } from '../core/json-value.ts';

/** A chunk that searches may show, with what its document says of itself. */
export interface VisibleChunk {
  pointId: string;
  /** `<document>:<ordinal>` */
  chunkId: string;
  documentId: string;
  externalId: string;
  title: string | null;
  text: string;
  headingPath: string[];
  page: number | null;
  charStart: number;
  charEnd: number;
  metadata: Json;
}

/** `{field: value | {$eq, $ne, $in, $nin, $gt, $gte, $lt, $lte: value}}`, parsed: all must hold. */
export interface MetadataCondition {
  field: string;
  operator: 'eq' | 'ne' | 'in' | 'nin' | 'gt' | 'gte' | 'lt' | 'lte';
  value: string | number | boolean | null | readonly (string | number | boolean | null)[];
}

/** The rows behind the hits: published generations of the collection's active index version, and nothing else. Conditions
 *  hold for a document's metadata: `eq` and `in` also where a list there has the value, `ne` and `nin` also where the field
 *  is missing, the others between values of one type. */
export interface VisibleChunks {
  byPoints(
    versionId: string,
    pointIds: readonly string[],
    conditions?: readonly MetadataCondition[],
  ): Promise<VisibleChunk[]>;
  /** Documents whose metadata fit, at most `limit` of them and one more if there are more. */
  matchingDocuments(
    collectionId: string,
    conditions: readonly MetadataCondition[],
    limit: number,
  ): Promise<string[]>;
}
