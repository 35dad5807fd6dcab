interface CitadelErrorFacts {
  status?: number | null;
  code?: string | null;
  param?: string | null;
  requestId?: string | null;
  runId?: string | null;
  retryAfterMs?: number | null;
  cause?: unknown;
}

/** Whatever goes wrong: Citadel's answer, the way to it, or a run that did not succeed. */
export class CitadelError extends Error {
  override readonly name = 'CitadelError';
  /** Of the HTTP answer; null when there was none (`connection_failed`) and for a run that ended badly. */
  readonly status: number | null;
  /** `not_found`, `conflict`, `deadline_exceeded` …; of a run that did not succeed, its own error's. */
  readonly code: string | null;
  /** The field that is wrong, where one is; in a definition a JSON path. */
  readonly param: string | null;
  readonly requestId: string | null;
  /** The run or job that ended badly. */
  readonly runId: string | null;
  readonly retryAfterMs: number | null;

  constructor(message: string, facts: CitadelErrorFacts = {}) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.status = facts.status ?? null;
    this.code = facts.code ?? null;
    this.param = facts.param ?? null;
    this.requestId = facts.requestId ?? null;
    this.runId = facts.runId ?? null;
    this.retryAfterMs = facts.retryAfterMs ?? null;
  }
}
