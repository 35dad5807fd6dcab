import { AppError } from '../core/errors.ts';
import { newMessageId } from '../core/ids.ts';
import type { Embedder } from '../rag/embedder.ts';
import type { ModelCalls } from '../workflows/model-calls.ts';

const FLOAT_BYTES = 4;

/** Vectors by ordinary calls of models: the same queue, servers and ledger as a client's. */
export function createModelEmbedder(models: Pick<ModelCalls, 'call'>): Embedder {
  return {
    async embed({ model, texts, keyName, weight, isBackground }, signal) {
      const end = await models.call(
        {
          endpoint: 'embeddings',
          body: JSON.stringify({ model, input: texts }),
          keyName,
          weight,
          priority: isBackground ? 'low' : 'normal',
          idempotencyKey: newMessageId(),
          waitsForServer: false,
          // Of a search its route has asked the key's limits; an ingest waits for them, text by text.
          isCharged: !isBackground,
          // It would keep others' texts waiting.
          takesPlace: false,
          pieces: null,
          onPieces() {},
        },
        signal,
      );
      if (end.status === 'failed') throw end.error;
      return toVectors(JSON.parse(end.body), texts.length);
    },
  };
}

interface Answer {
  data?: { index?: number; embedding?: unknown }[];
}

function toVectors({ data = [] }: Answer, count: number): Float32Array[] {
  const inOrder = [...data].sort((a, b) => (a.index ?? 0) - (b.index ?? 0));
  const vectors = inOrder.map(({ embedding }) => toVector(embedding));
  const length = vectors[0]?.length ?? 0;
  if (vectors.length !== count || vectors.some((vector) => vector.length !== length || length === 0)) {
    throw new AppError(
      'bad_backend',
      'The embedding server answered with another number of vectors or of dimensions.',
    );
  }
  if (!vectors.every(isUsable)) {
    throw new AppError('invalid_request', 'The model gave a vector that is zero, or no finite numbers.');
  }
  return vectors;
}

function toVector(embedding: unknown): Float32Array {
  if (Array.isArray(embedding))
    return Float32Array.from(embedding, (value) => (value === null ? Number.NaN : value));
  if (typeof embedding !== 'string') return new Float32Array(0);
  const bytes = Buffer.from(embedding, 'base64');
  const vector = new Float32Array(Math.floor(bytes.length / FLOAT_BYTES));
  for (let index = 0; index < vector.length; index++) vector[index] = bytes.readFloatLE(index * FLOAT_BYTES);
  return vector;
}

/** Finite, and of a direction. */
function isUsable(vector: Float32Array): boolean {
  let sum = 0;
  for (const value of vector) sum += value * value;
  return Number.isFinite(sum) && sum > 0;
}
