import type { Operation } from './operation.ts';
import { JOB_OPERATIONS } from './operations/job-operations.ts';
import { MODEL_OPERATIONS } from './operations/model-operations.ts';
import { OPERATOR_OPERATIONS } from './operations/operator-operations.ts';
import { RAG_OPERATIONS } from './operations/rag-operations.ts';
import { SERVER_OPERATIONS } from './operations/server-operations.ts';
import { WORKFLOW_OPERATIONS } from './operations/workflow-operations.ts';

/** Every route of the API. A new one: an entry in the file of its tag, its schemas the ones that it parses with. */
export const OPERATIONS: readonly Operation[] = [
  ...MODEL_OPERATIONS,
  ...JOB_OPERATIONS,
  ...WORKFLOW_OPERATIONS,
  ...RAG_OPERATIONS,
  ...SERVER_OPERATIONS,
  ...OPERATOR_OPERATIONS,
];
