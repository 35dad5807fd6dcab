import { type CorpusDocument, readCorpus } from './collection-files.ts';
import { type Judgements, ndcg, recall } from './metrics.ts';

/** The API of a Citadel: what it answers, parsed. Throws where that is an error. */
export type CallApi = <T>(method: 'GET' | 'POST', path: string, body?: object) => Promise<T>;

export interface ModeResult {
  mode: string;
  questions: number;
  ndcg10: number;
  recall100: number;
  msPerQuery: number;
}

interface JobView {
  id: string;
  file_counts: Record<string, number>;
}

const BATCH_DOCUMENTS = 500;
const BATCH_CHARS = 5_000_000;
const POLL_MS = 250;
// A document may have several chunks among the first.
const TOP_K = 100;

/** Takes a corpus in and waits until all of it can be searched. Throws where a document failed. */
export async function takeIn(call: CallApi, collection: string, corpusPath: string): Promise<number> {
  const jobs: JobView[] = [];
  let count = 0;
  for await (const documents of batches(readCorpus(corpusPath))) {
    count += documents.length;
    const sent = documents.map(({ _id, title, text }) => ({
      external_id: _id,
      title: title || undefined,
      text: [title, text].filter(Boolean).join('\n\n'),
    }));
    jobs.push(await call<JobView>('POST', '/api/v1/rag/ingest/batch', { collection, documents: sent }));
  }
  for (const { id } of jobs) await untilDone(call, id);
  return count;
}

/** Asks each judged question in a mode. */
export async function evaluate(
  call: CallApi,
  wanted: { collection: string; mode: string },
  questions: readonly { text: string; judged: Judgements }[],
): Promise<ModeResult> {
  const totals = { ndcg10: 0, recall100: 0, ms: 0 };
  for (const { text, judged } of questions) {
    const startedMs = performance.now();
    const { data } = await call<{ data: { external_id: string }[] }>('POST', '/api/v1/rag/search', {
      ...wanted,
      query: text,
      top_k: TOP_K,
    });
    totals.ms += performance.now() - startedMs;
    const ranking = [...new Set(data.map(({ external_id }) => external_id))];
    totals.ndcg10 += ndcg(ranking, judged);
    totals.recall100 += recall(ranking, judged);
  }
  const mean = (sum: number) => sum / Math.max(1, questions.length);
  return {
    mode: wanted.mode,
    questions: questions.length,
    ndcg10: mean(totals.ndcg10),
    recall100: mean(totals.recall100),
    msPerQuery: mean(totals.ms),
  };
}

async function* batches(corpus: AsyncIterable<CorpusDocument>): AsyncIterable<CorpusDocument[]> {
  let batch: CorpusDocument[] = [];
  let chars = 0;
  for await (const document of corpus) {
    // A document without text has nothing that could be found.
    if (`${document.title ?? ''}${document.text}`.trim() === '') continue;
    batch.push(document);
    chars += document.text.length;
    if (batch.length < BATCH_DOCUMENTS && chars < BATCH_CHARS) continue;
    yield batch;
    batch = [];
    chars = 0;
  }
  if (batch.length > 0) yield batch;
}

async function untilDone(call: CallApi, id: string): Promise<void> {
  for (;;) {
    const { file_counts } = await call<JobView>('GET', `/api/v1/rag/ingest/jobs/${id}`);
    if (file_counts.in_progress === 0) {
      if (file_counts.failed) throw new Error(`${file_counts.failed} documents of ${id} failed.`);
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
