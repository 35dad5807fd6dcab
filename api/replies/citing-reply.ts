import type { Json } from '../../core/json-value.ts';
import { type PreparedQuery, withCitations } from '../../rag/query-service.ts';
import type { ModelReply } from './model-reply.ts';

interface Chunk {
  choices?: { delta?: { content?: unknown } }[];
  [field: string]: Json | unknown;
}

/** Puts what an answer cites beside it: in a document as a field, in a stream as that of a last chunk without choices. */
export function createCitingReply(reply: ModelReply, cite: PreparedQuery['cite']): ModelReply {
  let text = '';
  let head: object = {};

  return {
    ...reply,
    chunks(data) {
      for (const line of data) {
        const { choices, usage: _, ...rest }: Chunk = JSON.parse(line);
        head = rest;
        const content = choices?.[0]?.delta?.content;
        if (typeof content === 'string') text += content;
      }
      return reply.chunks(data);
    },
    done(body, facts) {
      if (body !== null) {
        reply.done(JSON.stringify(withCitations(JSON.parse(body), cite)), facts);
        return;
      }
      reply.chunks([JSON.stringify({ ...head, choices: [], citations: cite(text) })]);
      reply.done(null, facts);
    },
  };
}
