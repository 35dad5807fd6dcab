/** Vectors of texts, by a model that the fleet serves. */
export interface Embedder {
  /**
   * One vector a text, in order, all of one length, finite and none of them zero. Throws AppError: `invalid_request` for a
   * text that the model rejects, `no_healthy_server`, `rate_limit_exceeded` (with `retryAfterSeconds`), `bad_backend`;
   * and `signal.reason` when it aborts.
   */
  embed(request: EmbedRequest, signal: AbortSignal): Promise<Float32Array[]>;
}

export interface EmbedRequest {
  model: string;
  texts: readonly string[];
  keyName: string | null;
  /** The key's share against others'. */
  weight: number;
  /** A document's texts make way for a caller who waits. */
  isBackground: boolean;
}
