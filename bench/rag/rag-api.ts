import { type ShortDocument, shortDocument } from './corpus.ts';
import { CHAT_MODEL, CHUNK } from './plan.ts';

/** Calls of a Citadel; each throws an Error where the answer is one. */
export interface RagApi {
  createCollection(name: string, embeddingModel: string | null): Promise<void>;
  chunksOf(name: string): Promise<number>;
  /** Sends texts by the batch and waits until all are searchable. */
  takeIn(collection: string, documents: readonly ShortDocument[]): Promise<void>;
  takeInFile(collection: string, name: string, bytes: Buffer): Promise<void>;
  search(collection: string, mode: string, query: string): Promise<void>;
  chat(number: number): Promise<void>;
}

const BATCH_DOCUMENTS = 500;
const POLL_MS = 100;
const INGEST_MS = 240_000;

interface JobView {
  id: string;
  file_counts: Record<string, number>;
}

export function shortDocuments(count: number, first = 0): ShortDocument[] {
  return Array.from({ length: count }, (_, at) => shortDocument(first + at));
}

export function createRagApi(origin: string, signal: AbortSignal): RagApi {
  async function call<T>(path: string, body?: object): Promise<T> {
    const isForm = body instanceof FormData;
    const response = await fetch(origin + path, {
      signal,
      method: body ? 'POST' : 'GET',
      headers: isForm || !body ? {} : { 'content-type': 'application/json' },
      body: isForm ? body : body ? JSON.stringify(body) : null,
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${path} answered ${response.status}: ${text}`);
    return JSON.parse(text);
  }

  async function untilDone({ id }: JobView): Promise<void> {
    const untilMs = performance.now() + INGEST_MS;
    while (performance.now() < untilMs) {
      const { file_counts } = await call<JobView>(`/api/v1/rag/ingest/jobs/${id}`);
      if (file_counts.failed) throw new Error(`${file_counts.failed} documents failed.`);
      if (file_counts.in_progress === 0) return;
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    throw new Error(`An ingest did not end within ${INGEST_MS / 1_000} s.`);
  }

  return {
    async createCollection(name, embeddingModel) {
      await call('/api/v1/rag/collections', { name, embedding_model: embeddingModel, chunk: CHUNK });
    },
    async chunksOf(name) {
      const found = await call<{ chunk_count: number }>(`/api/v1/rag/collections/${name}`);
      return found.chunk_count;
    },
    async takeIn(collection, documents) {
      const jobs: JobView[] = [];
      for (let at = 0; at < documents.length; at += BATCH_DOCUMENTS) {
        const batch = documents.slice(at, at + BATCH_DOCUMENTS);
        jobs.push(await call('/api/v1/rag/ingest/batch', { collection, documents: batch }));
      }
      for (const job of jobs) await untilDone(job);
    },
    async takeInFile(collection, name, bytes) {
      const form = new FormData();
      form.set('collection', collection);
      form.set('files', new Blob([new Uint8Array(bytes)]), name);
      await untilDone(await call('/api/v1/rag/ingest/files', form));
    },
    async search(collection, mode, query) {
      await call('/api/v1/rag/search', { collection, mode, query, top_k: 10 });
    },
    async chat(number) {
      const messages = [{ role: 'user', content: `Number ${number}` }];
      await call('/v1/chat/completions', { model: CHAT_MODEL, messages });
    },
  };
}
