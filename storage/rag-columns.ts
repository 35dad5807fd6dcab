import type { Stage } from '../rag/ingest-job.ts';

/** As the tables name them. */
export const STAGE_NAMES = [
  'parse',
  'chunk',
  'embed',
  'index',
  'publish',
] as const satisfies readonly Stage[];

// In JSON that we wrote, halves of surrogate pairs and NUL are always escaped; jsonb takes neither.
/** SQL that gives the JSON text of an expression as jsonb, for filters. */
export const asJsonb = (expression: string): string =>
  `regexp_replace(${expression}, '\\\\u(0000|d[89a-f][0-9a-f]{2})', '\\ufffd', 'g')::jsonb`;
