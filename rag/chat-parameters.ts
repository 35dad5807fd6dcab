import type { QueryRequest } from './query-request.ts';
import { SEARCH_FIELDS } from './search-request.ts';

/** The chat that a query comes to, with the question alone in place of the sources. */
export function toChatParameters(request: QueryRequest): { [name: string]: unknown } {
  const { messages, query } = request;
  return { ...chatFields(request), messages: [...(messages ?? []), { role: 'user', content: query }] };
}

/** What of a query is not the search's. */
export function chatFields(request: QueryRequest): { [name: string]: unknown } {
  return Object.fromEntries(Object.entries(request).filter(([name]) => !Object.hasOwn(SEARCH_FIELDS, name)));
}
