import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { pageLines, question, shortDocument } from '../../bench/rag/corpus.ts';
import type { Measured } from '../../bench/rag/measure.ts';
import { measureParse } from '../../bench/rag/measure-parse.ts';
import { EMBEDDING_MODEL, FULL_PLAN, QUICK_PLAN } from '../../bench/rag/plan.ts';
import { createRagApi, type RagApi, shortDocuments } from '../../bench/rag/rag-api.ts';
import { checkGoals, formatReport } from '../../bench/rag/report.ts';
import { startTestCitadel, type TestCitadel } from '../support/citadel.ts';

const START_LIMIT_MS = 120_000;

const MACHINE = { cores: 2, processor: 'a processor', memoryGb: 8, system: 'linux', node: 'v24' };
const MEASURED: Measured = {
  parse: { documentsPerSecond: 900, chunksPerSecond: 900 },
  lexical: { tookMs: 30_000, chunks: 5_000 },
  embedded: { tookMs: 50_000, chunks: 5_000 },
  searchedChunks: 20_000,
  searches: [
    { mode: 'lexical', p50Ms: 9, p99Ms: 20 },
    { mode: 'dense', p50Ms: 26, p99Ms: 40 },
    { mode: 'hybrid', p50Ms: 30, p99Ms: 50 },
  ],
  pdf: { tookMs: 4_000, restMb: 200, peakMb: 349 },
  chat: { aloneP50Ms: 3, besideIngestP50Ms: 6.6, besideIngest: 150 },
};

const verdicts = (plan: typeof FULL_PLAN, measured: Measured) =>
  checkGoals(plan, measured).map(({ value, isMet }) => [value, isMet]);

describe('the benchmark of documents', () => {
  test('its texts follow from their numbers, and are as long as they say', () => {
    expect(shortDocument(7)).toEqual(shortDocument(7));
    expect(shortDocument(7).text).not.toBe(shortDocument(8).text);
    expect(question(1)).not.toBe(question(2));
    expect(pageLines(3)).toHaveLength(45);
    const lengths = shortDocuments(50).map(({ text }) => text.length);
    expect(Math.min(...lengths)).toBeGreaterThan(1_400);
    expect(Math.max(...lengths)).toBeLessThan(1_700);
  });

  test('holds each figure against its target', () => {
    expect(verdicts(FULL_PLAN, MEASURED)).toEqual([
      ['30.0', true],
      ['9.0', true],
      ['26.0', false],
      ['149.0', true],
      ['2.2', false],
    ]);
  });

  test('judges no target that was not measured at its size, or at all', () => {
    const few = { ...MEASURED, searchedChunks: 1_000 };
    expect(verdicts(QUICK_PLAN, few).slice(0, 4)).toEqual(Array(4).fill(['–', null]));
    const [, , , pdf] = verdicts(FULL_PLAN, { ...MEASURED, pdf: null });
    expect(pdf).toEqual(['–', null]);
  });

  test('says that it was disturbed, and what it has missed', () => {
    const report = { machine: MACHINE, plan: FULL_PLAN, measured: MEASURED };
    const noisy = formatReport({ ...report, foreignLoad: 0.4 });
    expect(noisy).toContain('NOISY: other processes took 40 % of the processors.');
    expect(noisy).toMatch(/dense search at 20 000 chunks.*26\.0 +MISSED/);
    expect(noisy).toMatch(/taken in, by words only +30\.0 s +167 +167/);
    expect(formatReport({ ...report, foreignLoad: 0.05 })).not.toContain('NOISY');
  });

  test('reads documents at some rate', async () => {
    const rate = await measureParse(5, new AbortController().signal);
    expect(rate.documentsPerSecond).toBeGreaterThan(0);
    expect(rate.chunksPerSecond).toBeCloseTo(rate.documentsPerSecond, 6);
  });
});

describe('its calls', () => {
  let citadel: TestCitadel;
  let api: RagApi;

  beforeAll(async () => {
    citadel = await startTestCitadel();
    api = createRagApi(citadel.url, new AbortController().signal);
  }, START_LIMIT_MS);
  afterAll(() => citadel?.stop(), START_LIMIT_MS);

  test('take documents in until all can be searched, a chunk each', async () => {
    await api.createCollection('some', EMBEDDING_MODEL);
    await api.takeIn('some', shortDocuments(20));
    expect(await api.chunksOf('some')).toBe(20);
    for (const mode of ['lexical', 'dense', 'hybrid']) await api.search('some', mode, question(1));
  });

  test('fail where a document does, or the answer is an error', async () => {
    await api.createCollection('files', null);
    await expect(api.takeInFile('files', 'x.pdf', Buffer.from('%PDF-1.7 and no more'))).rejects.toThrow(
      '1 documents failed.',
    );
    await expect(api.search('nowhere', 'lexical', 'x')).rejects.toThrow(/answered 404/);
  });
});
