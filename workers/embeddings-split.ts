// A request for many embeddings as several requests for fewer, and their answers as one again. Pure.
import { BackendFailure } from '../core/backend-failure.ts';
import { memberText, withMembers } from '../core/json-text.ts';
import type { EmbeddingsAnswer } from './embeddings-answer.ts';

/** Fewer are embedded as fast by one server. */
const PART_ITEMS_MIN = 32;
const SPLIT_ABOVE_ITEMS = 64;

/** The texts, or lists of tokens, of a request that is worth splitting; null of any other. */
export function itemsToSplit(body: string): unknown[] | null {
  // Each item takes two characters and a comma at least: most requests need not be read.
  if (body.length < 3 * SPLIT_ABOVE_ITEMS) return null;
  const text = memberText(body, 'input');
  if (!text?.startsWith('[')) return null;
  const input: unknown = JSON.parse(text);
  if (!Array.isArray(input) || input.length <= SPLIT_ABOVE_ITEMS) return null;
  // Numbers are the tokens of one text.
  return typeof input[0] === 'number' ? null : input;
}

export function partsMaxOf(items: readonly unknown[]): number {
  return Math.floor(items.length / PART_ITEMS_MIN);
}

/** The request for each part: as many items each, but for the rest, and all else byte for byte as it was. */
export function splitEmbeddings(
  body: string,
  items: readonly unknown[],
  parts: number,
): { body: string; size: number }[] {
  return Array.from({ length: parts }, (_, part) => {
    const from = Math.round((items.length * part) / parts);
    const own = items.slice(from, Math.round((items.length * (part + 1)) / parts));
    return { body: withMembers(body, { input: JSON.stringify(own) }), size: own.length };
  });
}

interface Document {
  data: { index: number }[];
  usage?: Record<string, unknown>;
}

/** The parts' answers as one: in the order of the request, with what they used in sum. Throws BackendFailure
 *  `malformed` where a part has not as many embeddings as it was asked for. */
export function joinEmbeddings(answers: readonly { body: string; size: number }[]): EmbeddingsAnswer {
  const documents = answers.map(({ body }): Document => JSON.parse(body));
  const isWhole = documents.every(({ data }, part) => data.length === answers[part]?.size);
  const [first] = documents;
  if (!first || !isWhole) {
    throw new BackendFailure('malformed', 'The model server answered with another number of embeddings.');
  }
  const data = documents.flatMap((document) => document.data).map((item, index) => ({ ...item, index }));
  const usage = sumUsage(documents);
  return { body: JSON.stringify({ ...first, data, usage }), usage };
}

/** Every count of theirs, added; undefined where none says what it used. */
function sumUsage(documents: readonly Document[]): Record<string, number> | undefined {
  const counts = documents.flatMap(({ usage }) => Object.entries(usage ?? {}));
  const names = new Set(counts.flatMap(([name, count]) => (typeof count === 'number' ? [name] : [])));
  if (names.size === 0) return undefined;
  const sumOf = (name: string) => documents.reduce((sum, { usage }) => sum + (Number(usage?.[name]) || 0), 0);
  return Object.fromEntries([...names].map((name) => [name, sumOf(name)]));
}
