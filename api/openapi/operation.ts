import type { z } from 'zod';
import type { ErrorCode } from '../../core/errors.ts';

export type Tag =
  | 'Models'
  | 'Embeddings'
  | 'Jobs'
  | 'Workflows'
  | 'Schedules'
  | 'Documents'
  | 'Servers'
  | 'Keys'
  | 'Health'
  | 'Operators';

/** What a route answers with: JSON of a schema, or another media type. */
export interface Answer {
  description: string;
  schema?: z.ZodType;
  /** Or server-sent events, where the request asks for them. */
  isStreamToo?: boolean;
  media?: 'text/event-stream' | 'text/html' | 'text/plain';
}

/**
 * One method of one path, as /openapi.json describes it. A route that is mounted and not described, or the reverse, fails
 * test/api/openapi.test.ts.
 */
export interface Operation {
  method: 'get' | 'post' | 'put' | 'patch' | 'delete';
  /** `/v1/servers/{id}`. */
  path: string;
  /** Unique; what generated clients call it. */
  id: string;
  tag: Tag;
  summary: string;
  description?: string;
  /** Who may call: anyone, whoever brings a key, or admins only. */
  caller: 'anyone' | 'user' | 'admin';
  query?: z.ZodObject;
  /** The schema that the route parses with. */
  body?: z.ZodType;
  /** Bodies that are not (only) JSON, by their media type; null: any text. */
  otherBodies?: Record<string, z.ZodType | null>;
  hasOptionalBody?: boolean;
  /** Takes the headers of a model call (priority, longest wait) and answers with the gateway's facts. */
  isModelCall?: boolean;
  /** Takes an Idempotency-Key. */
  isIdempotent?: boolean;
  /** Ends with the stream that `Last-Event-ID` resumes. */
  isEventStream?: boolean;
  answers: Record<number, Answer>;
  /** Beside those that follow from the rest (body, key, id in the path). */
  errors?: readonly ErrorCode[];
}

/** The same operations under another beginning of their paths. */
export function under(operations: readonly Operation[], from: string, to: string): Operation[] {
  return operations.map((operation) => ({
    ...operation,
    path: to + operation.path.slice(from.length),
    id: `${operation.id}ByAlias`,
    description: `The same as ${operation.path}.`,
  }));
}

/** JSON of this schema, with 200. */
export function answers(description: string, schema: z.ZodType): Record<number, Answer> {
  return { 200: { description, schema } };
}
