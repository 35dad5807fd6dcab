import {
  NewSchedule,
  OrchestrateRequest,
  WorkflowFork,
  WorkflowStart,
} from '../../core/schemas/accepted-work.ts';
import { ApiKeyPatch, NewApiKey, TokenBudget } from '../../core/schemas/api-key.ts';
import { ModelClass } from '../../core/schemas/model-class.ts';
import { ChatRequest, CompletionRequest, EmbeddingsRequest } from '../../core/schemas/model-requests.ts';
import { Priority } from '../../core/schemas/priority.ts';
import {
  BatchDocument,
  BatchIngest,
  NewCollectionRequest,
  TextIngest,
  UrlIngest,
} from '../../core/schemas/rag.ts';
import { ServerRegistration } from '../../core/schemas/server-registration.ts';
import { WebhookRequest } from '../../core/schemas/webhook.ts';
import { QueryRequest } from '../../rag/query-request.ts';
import { SearchRequest } from '../../rag/search-request.ts';
import * as keyAnswers from './answers/key-answers.ts';
import * as modelAnswers from './answers/model-answers.ts';
import * as ragAnswers from './answers/rag-answers.ts';
import * as serverAnswers from './answers/server-answers.ts';
import { Deleted, ErrorAnswer, InnerError } from './answers/shared-answers.ts';
import * as workAnswers from './answers/work-answers.ts';

/** Schemas that the description refers to by name; any other stands where it is used. */
export const NAMED_SCHEMAS = {
  ChatRequest,
  CompletionRequest,
  EmbeddingsRequest,
  OrchestrateRequest,
  WorkflowStart,
  WorkflowFork,
  NewSchedule,
  NewCollectionRequest,
  TextIngest,
  BatchIngest,
  BatchDocument,
  UrlIngest,
  SearchRequest,
  QueryRequest,
  ServerRegistration,
  NewApiKey,
  ApiKeyPatch,
  TokenBudget,
  WebhookRequest,
  Priority,
  ModelClass,
  Deleted,
  Error: ErrorAnswer,
  InnerError,
  ...modelAnswers,
  ...workAnswers,
  ...ragAnswers,
  ...serverAnswers,
  ...keyAnswers,
};
