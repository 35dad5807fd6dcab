import { ChatRequest, CompletionRequest, EmbeddingsRequest } from '../../../core/schemas/model-requests.ts';
import { SimilarityRequest } from '../../routes/embeddings-similarity.ts';
import {
  ChatCompletion,
  Completion,
  Embeddings,
  Model,
  ModelList,
  Similarity,
} from '../answers/model-answers.ts';
import { AcceptedJob } from '../answers/work-answers.ts';
import { answers, type Operation } from '../operation.ts';

const CALL_ERRORS = [
  'model_not_found',
  'idempotency_mismatch',
  'rate_limit_exceeded',
  'queue_full',
  'bad_backend',
  'no_healthy_server',
  'overloaded',
  'store_unavailable',
  'deadline_exceeded',
] as const;

const ANSWER = 'The answer; with `stream: true`, server-sent events, the last of them `[DONE]`.';

const CALL = {
  method: 'post',
  caller: 'user',
  isModelCall: true,
  isIdempotent: true,
  errors: CALL_ERRORS,
} as const;

const EMBED = {
  ...CALL,
  tag: 'Embeddings',
  summary: 'Embeds texts',
  body: EmbeddingsRequest,
  answers: answers('One embedding an input, in their order.', Embeddings),
} as const;

export const MODEL_OPERATIONS: Operation[] = [
  {
    ...CALL,
    path: '/v1/chat/completions',
    id: 'createChatCompletion',
    tag: 'Models',
    summary: 'Has a model answer a chat',
    description: 'Every parameter is passed on as it was written, also those that are not named here.',
    body: ChatRequest,
    answers: { 200: { description: ANSWER, schema: ChatCompletion, isStreamToo: true } },
  },
  {
    ...CALL,
    path: '/v1/completions',
    id: 'createCompletion',
    tag: 'Models',
    summary: 'Has a model continue a text (legacy)',
    body: CompletionRequest,
    answers: { 200: { description: ANSWER, schema: Completion, isStreamToo: true } },
  },
  { ...EMBED, path: '/v1/embeddings', id: 'createEmbeddings' },
  { ...EMBED, path: '/api/v1/embeddings', id: 'createEmbeddingsByAlias' },
  {
    method: 'post',
    path: '/api/v1/embeddings/batch',
    id: 'submitEmbeddings',
    tag: 'Embeddings',
    summary: 'Embeds texts as a job',
    description: 'Beside these fields it takes `priority`, `deadline_ms`, `webhook` and `metadata` of a job.',
    caller: 'user',
    isIdempotent: true,
    body: EmbeddingsRequest,
    answers: { 202: { description: 'The job is in the store.', schema: AcceptedJob } },
    errors: CALL_ERRORS,
  },
  {
    method: 'post',
    path: '/api/v1/embeddings/similarity',
    id: 'compareTexts',
    tag: 'Embeddings',
    summary: 'How near texts are to one text',
    caller: 'user',
    body: SimilarityRequest,
    answers: answers('The cosines.', Similarity),
    errors: CALL_ERRORS,
  },
  {
    method: 'get',
    path: '/api/v1/embeddings/models',
    id: 'listEmbeddingModels',
    tag: 'Embeddings',
    summary: 'The models that embed',
    caller: 'user',
    answers: answers('All of them.', ModelList),
  },
  {
    method: 'get',
    path: '/v1/models',
    id: 'listModels',
    tag: 'Models',
    summary: 'The models that can be called now, aliases among them',
    caller: 'user',
    answers: answers('All of them.', ModelList),
  },
  {
    method: 'get',
    path: '/v1/models/{id}',
    id: 'getModel',
    tag: 'Models',
    summary: 'One model',
    description: 'The id may hold `/` and `:`.',
    caller: 'user',
    answers: answers('The model.', Model),
  },
];
