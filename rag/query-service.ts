import { AppError } from '../core/errors.ts';
import type { Json } from '../core/json-value.ts';
import { answerPrompt } from './answer-prompt.ts';
import { chatFields } from './chat-parameters.ts';
import { type Citation, findCitations } from './citations.ts';
import type { QueryRequest } from './query-request.ts';
import type { RagCaller } from './require-collection.ts';
import type { SearchHit, SearchService } from './search-service.ts';

export interface QueryService {
  /** Finds the sources. Throws as a search does. */
  prepare(request: QueryRequest, caller: RagCaller, signal: AbortSignal): Promise<PreparedQuery>;
}

export interface PreparedQuery {
  /** The chat to ask a model, as JSON text; null where nothing was found: no model is asked then. */
  chatBody: string | null;
  /** Of an answer's text. */
  cite(answer: string): Citation[];
}

const TOP_K = 8;

/** What a query answers where there is no source. */
const NOTHING_FOUND = 'The documents of this collection say nothing about that.';

interface QueryServiceDeps {
  search: SearchService;
  /** Makes what the writer of a document cannot guess. */
  newFence: () => string;
}

export function createQueryService({ search, newFence }: QueryServiceDeps): QueryService {
  return {
    async prepare(request, caller, signal) {
      const { collection, query, top_k, mode, filter, min_score } = request;
      const wanted = { collection, query, top_k: top_k ?? TOP_K, mode, filter, min_score };
      const { hits } = await search.search(wanted, caller, signal);
      if (hits.length === 0) return { chatBody: null, cite: () => [] };
      return prepareChat(request, hits, newFence());
    },
  };
}

function prepareChat(request: QueryRequest, hits: readonly SearchHit[], fence: string): PreparedQuery {
  const { query, messages } = request;
  const prompt = answerPrompt({ query, hits, messages: messages ?? [], fence });
  return {
    chatBody: JSON.stringify({ ...chatFields(request), messages: prompt.messages }),
    cite: (answer) => findCitations(answer, prompt.sources),
  };
}

/** A chat's answer as a query gives it. Throws AppError `bad_backend` for what is none. */
export function withCitations(answer: Json, cite: PreparedQuery['cite']): { [name: string]: Json } {
  if (typeof answer !== 'object' || answer === null || Array.isArray(answer)) {
    throw new AppError('bad_backend', 'The model server answered with no chat completion.');
  }
  const { choices } = answer as { choices?: { message?: { content?: unknown } }[] };
  const text = choices?.[0]?.message?.content;
  const citations = typeof text === 'string' ? cite(text) : [];
  return { ...answer, citations: citations.map((citation) => ({ ...citation })) };
}

interface AnswerHead {
  id: string;
  model: string;
  createdSeconds: number;
}

/** What a query answers, of what the model has; of null where none was asked. */
export function finishAnswer(answer: Json, { cite }: Pick<PreparedQuery, 'cite'>, head: AnswerHead): Json {
  return answer === null ? nothingFoundAnswer(head) : withCitations(answer, cite);
}

/** The answer where nothing was found, as a chat completion. */
export function nothingFoundAnswer({ id, model, createdSeconds }: AnswerHead): { [name: string]: Json } {
  const message = { role: 'assistant', content: NOTHING_FOUND };
  return {
    id,
    object: 'chat.completion',
    created: createdSeconds,
    model,
    choices: [{ index: 0, message, logprobs: null, finish_reason: 'stop' }],
    usage: { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 },
    citations: [],
  };
}
