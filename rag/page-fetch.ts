/** A web page, or another file, as its server gave it. */
export interface FetchedPage {
  /** Where it was in the end. */
  url: string;
  bytes: Buffer;
  mediaType: string | null;
}

/** Fetches what a caller has named: of http or https, at a public address or one that the operator allows. */
export interface PageFetch {
  /**
   * Follows up to 5 redirects, each checked as the first address was. Throws AppError: `invalid_request` for a URL of another
   * kind and for an answer such as 404, `forbidden` for an address that may not be called, `deadline_exceeded`,
   * `payload_too_large`, `bad_backend` where another try may help; and `signal.reason` when that aborts.
   */
  fetch(url: string, signal: AbortSignal): Promise<FetchedPage>;
}
