export interface HttpCallRequest {
  method: string;
  /** Of http or https. */
  url: string;
  headers: Readonly<Record<string, string>>;
  body: string | null;
  timeoutMs: number;
  /** Of the answer's body. */
  bytesMax: number;
}

export interface HttpCallAnswer {
  status: number;
  headers: Record<string, string>;
  body: string;
  /** Seconds that it asks to be waited for. */
  retryAfterSeconds: number | undefined;
}

/** Calls of what is not a model server: only public addresses, and what the operator allows. Redirects are answers. */
export interface HttpCalls {
  /** Throws AppError: `forbidden` for an address that may not be called, `deadline_exceeded`, `bad_backend` when there was
   *  no answer, `payload_too_large`; and `signal.reason` when that aborts. */
  call(request: HttpCallRequest, signal: AbortSignal): Promise<HttpCallAnswer>;
}
