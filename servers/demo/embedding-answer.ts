import type { Answer } from './answer-scripts.ts';
import { type Fields, isIntegers, isStrings, parseInteger, wrongField } from './body-fields.ts';
import type { AnswerStamp } from './chat-answer.ts';
import { countTokens } from './demo-text.ts';
import { embedText, embedTokens } from './feature-hashing.ts';

const INPUTS_MAX = 2_048;
const DIMENSIONS_MAX = 2_048;
const DIMENSIONS_DEFAULT = 256;

type Input = string | number[];

/** The answer to an embedding's body. Throws AppError `invalid_request`. */
export function answerEmbedding(body: Fields, stamp: AnswerStamp): Answer {
  const inputs = parseInputs(body.input);
  const dimensions = parseInteger(body, 'dimensions', [1, DIMENSIONS_MAX]) ?? DIMENSIONS_DEFAULT;
  const encode = parseEncoding(body.encoding_format ?? 'float');
  const tokens = inputs.reduce((sum, input) => sum + tokensOf(input), 0);
  const documentOf = (data: object[]) =>
    JSON.stringify({
      object: 'list',
      data,
      model: stamp.model,
      usage: { prompt_tokens: tokens, total_tokens: tokens },
    });
  return {
    tokenCount: 0,
    document: () =>
      documentOf(
        inputs.map((input, index) => ({
          object: 'embedding',
          index,
          embedding: encode(embed(input, dimensions)),
        })),
      ),
    hollowDocument: () => documentOf([]),
    stream: undefined,
  };
}

function parseInputs(value: unknown): Input[] {
  if (typeof value === 'string') return [value];
  if (Array.isArray(value) && value.length > 0) {
    if (isIntegers(value)) return [value];
    if (value.length <= INPUTS_MAX && (isStrings(value) || value.every(isIntegers))) return value;
  }
  throw wrongField('input', `a string, a list of tokens, or 1 to ${INPUTS_MAX} of either`);
}

function parseEncoding(format: unknown): (vector: Float32Array) => unknown {
  if (format === 'float') return (vector) => [...vector];
  if (format === 'base64') return toBase64;
  throw wrongField('encoding_format', "'float' or 'base64'");
}

function toBase64(vector: Float32Array): string {
  const bytes = Buffer.alloc(vector.length * Float32Array.BYTES_PER_ELEMENT);
  vector.forEach((value, at) => {
    bytes.writeFloatLE(value, at * Float32Array.BYTES_PER_ELEMENT);
  });
  return bytes.toString('base64');
}

function embed(input: Input, dimensions: number): Float32Array {
  return typeof input === 'string' ? embedText(input, dimensions) : embedTokens(input, dimensions);
}

function tokensOf(input: Input): number {
  return typeof input === 'string' ? countTokens(input) : input.length;
}
