/** Vectors that were paid for, by model and the hash of the text. */
export interface EmbedCache {
  read(model: string, textHashes: readonly string[]): Promise<Map<string, Float32Array>>;
  write(model: string, vectors: ReadonlyMap<string, Float32Array>): Promise<void>;
}
