import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { readQuestions } from '../../bench/eval/collection-files.ts';
import { type CallApi, evaluate, takeIn } from '../../bench/eval/evaluation.ts';
import { startTestCitadel, type TestCitadel } from '../support/citadel.ts';

const START_LIMIT_MS = 120_000;
const file = (name: string) => fileURLToPath(new URL(`small-collection/${name}`, import.meta.url));

let citadel: TestCitadel;

beforeAll(async () => {
  citadel = await startTestCitadel();
}, START_LIMIT_MS);
afterAll(async () => {
  await citadel?.stop();
}, START_LIMIT_MS);

test('searches by words find what is relevant in a small collection', async () => {
  const call: CallApi = async (method, path, body) => {
    const response = await (method === 'GET' ? citadel.get(path) : citadel.post(path, body));
    if (!response.ok) throw new Error(await response.text());
    return JSON.parse(await response.text());
  };
  await call('POST', '/api/v1/rag/collections', { name: 'small' });
  const questions = await readQuestions(file('queries.jsonl'), file('qrels.tsv'));

  expect(await takeIn(call, 'small', file('corpus.jsonl'))).toBe(12);
  const result = await evaluate(call, { collection: 'small', mode: 'lexical' }, questions);

  expect(result).toMatchObject({ mode: 'lexical', questions: 6, recall100: 1 });
  expect(result.ndcg10).toBeGreaterThan(0.9);
});
