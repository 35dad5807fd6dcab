import { z } from 'zod';
import { BackendFailure } from '../core/backend-failure.ts';
import { memberText } from '../core/json-text.ts';

const Item = z.looseObject({
  index: z.int().nonnegative().optional(),
  embedding: z.union([z.string(), z.array(z.number())]),
});
const Answer = z.looseObject({
  data: z.array(Item).min(1),
  usage: z.unknown().optional(),
  model: z.string().optional().catch(undefined),
});

const FLOAT_BYTES = 4;

export interface EmbeddingsAnswer {
  body: string;
  usage: unknown;
  model?: string;
}

/**
 * A server's embeddings as the caller asked for them: in order, as floats or as base64 of little-endian float32.
 * What is right already passes as it came. Throws BackendFailure `malformed`.
 */
export function toEmbeddingsAnswer(text: string, requestBody: string): EmbeddingsAnswer {
  const { data: answer } = Answer.safeParse(JSON.parse(text));
  if (!answer) throw new BackendFailure('malformed', 'The model server answered without embeddings.');
  const wantsBase64 = memberText(requestBody, 'encoding_format') === '"base64"';
  const isRight = answer.data.every(
    ({ index, embedding }, position) => index === position && (typeof embedding === 'string') === wantsBase64,
  );
  const { usage, model } = answer;
  if (isRight) return { body: text, usage, model };

  const data = answer.data
    .map((item, position) => ({ ...item, object: 'embedding', index: item.index ?? position }))
    .sort((a, b) => a.index - b.index)
    .map((item) => ({
      ...item,
      embedding: wantsBase64 ? toBase64(item.embedding) : toFloats(item.embedding),
    }));
  return { body: JSON.stringify({ ...answer, object: 'list', data }), usage, model };
}

function toBase64(embedding: string | number[]): string {
  if (typeof embedding === 'string') return embedding;
  const bytes = Buffer.alloc(embedding.length * FLOAT_BYTES);
  for (const [index, value] of embedding.entries()) bytes.writeFloatLE(value, index * FLOAT_BYTES);
  return bytes.toString('base64');
}

function toFloats(embedding: string | number[]): number[] {
  if (typeof embedding !== 'string') return embedding;
  const bytes = Buffer.from(embedding, 'base64');
  return Array.from({ length: Math.floor(bytes.length / FLOAT_BYTES) }, (_, index) =>
    bytes.readFloatLE(index * FLOAT_BYTES),
  );
}
