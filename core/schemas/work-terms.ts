/** What a job of the API can ask for. */
export const JOB_KINDS = ['chat', 'completion', 'embedding', 'rag_query', 'workflow'] as const;

/** What a run of a workflow can be. */
export const RUN_STATUSES = [
  'queued',
  'running',
  'waiting',
  'paused',
  'succeeded',
  'failed',
  'cancelled',
] as const;

/** What a job of the API can be. */
export const JOB_STATUSES = ['queued', 'running', 'succeeded', 'failed', 'cancelled'] as const;
