import { pdfFile } from '../../test/support/pdf-file.ts';
import { createMemoryWatch } from '../memory-watch.ts';
import { median, percentile } from '../statistics.ts';
import type { RunningSubject } from '../subjects.ts';
import { longText, pageLines, question } from './corpus.ts';
import { measureParse, type ParseRate } from './measure-parse.ts';
import { EMBEDDING_MODEL, type Plan } from './plan.ts';
import { createRagApi, type RagApi, shortDocuments } from './rag-api.ts';

export interface IngestRate {
  tookMs: number;
  chunks: number;
}

export interface Measured {
  parse: ParseRate;
  lexical: IngestRate;
  embedded: IngestRate;
  /** How many chunks were searched. */
  searchedChunks: number;
  searches: { mode: Mode; p50Ms: number; p99Ms: number }[];
  /** Null where the system does not tell. */
  pdf: { tookMs: number; restMb: number; peakMb: number } | null;
  chat: { aloneP50Ms: number; besideIngestP50Ms: number; besideIngest: number };
}

export const MODES = ['lexical', 'dense', 'hybrid'] as const;
type Mode = (typeof MODES)[number];

interface Bench {
  api: RagApi;
  plan: Plan;
  say: (line: string) => void;
}

const FILL_CHARS = 150_000;
const FILLS_MAX = 400;
const WARM_UPS = 10;
/** More than are made while an ingest lasts: all of it counts, and not its beginning alone. */
const CHATS_BESIDE_MAX = 10_000;

export async function measureRag(
  citadel: RunningSubject,
  { plan, signal, say }: { plan: Plan; signal: AbortSignal; say: (line: string) => void },
): Promise<Measured> {
  const bench: Bench = { api: createRagApi(citadel.origin, signal), plan, say };
  // First: at rest is before anything was taken in.
  say(`a PDF of ${plan.pdfPages} pages`);
  const pdf = await measurePdf(citadel, bench);
  say('the document reader alone');
  const parse = await measureParse(plan.documents, signal);
  say(`${plan.documents} documents, by words only`);
  const lexical = await measureIngest(bench, 'lexical', null);
  say(`${plan.documents} documents, with embeddings`);
  const embedded = await measureIngest(bench, 'dense', EMBEDDING_MODEL);
  say(`filling up to ${plan.chunks} chunks, and searching`);
  const searchedChunks = await fill(bench);
  const searches: Measured['searches'] = [];
  for (const mode of MODES) searches.push(await measureSearches(bench, mode));
  say('chats, without and with an ingest');
  const chat = await measureChats(bench);
  return { parse, lexical, embedded, searchedChunks, searches, pdf, chat };
}

async function measurePdf(citadel: RunningSubject, { api, plan }: Bench): Promise<Measured['pdf']> {
  const bytes = pdfFile(Array.from({ length: plan.pdfPages }, (_, at) => pageLines(at)));
  await api.createCollection('pdf', null);
  const watch = createMemoryWatch(citadel);
  const startedMs = performance.now();
  await watch.during(() => api.takeInFile('pdf', 'book.pdf', bytes));
  const tookMs = performance.now() - startedMs;
  const [use] = watch.use();
  return use ? { tookMs, restMb: use.restMb, peakMb: use.peakMb } : null;
}

async function measureIngest({ api, plan }: Bench, name: string, model: string | null): Promise<IngestRate> {
  const documents = shortDocuments(plan.documents);
  await api.createCollection(name, model);
  const startedMs = performance.now();
  await api.takeIn(name, documents);
  return { tookMs: performance.now() - startedMs, chunks: await api.chunksOf(name) };
}

/** Longer documents: what is searched are chunks, and fewer documents are faster taken in. */
async function fill({ api, plan }: Bench): Promise<number> {
  let chunks = await api.chunksOf('dense');
  for (let at = 0; chunks < plan.chunks && at < FILLS_MAX; at += 1) {
    const document = { external_id: `long-${at}`, title: `Long ${at}`, text: longText(at, FILL_CHARS) };
    await api.takeIn('dense', [document]);
    chunks = await api.chunksOf('dense');
  }
  return chunks;
}

async function measureSearches({ api, plan }: Bench, mode: Mode): Promise<Measured['searches'][number]> {
  const tookMs: number[] = [];
  for (let at = -WARM_UPS; at < plan.searches; at += 1) {
    const startedMs = performance.now();
    // Each question is asked once in a mode.
    await api.search('dense', mode, question(at + WARM_UPS + MODES.indexOf(mode) * 10_000));
    if (at >= 0) tookMs.push(performance.now() - startedMs);
  }
  return { mode, p50Ms: percentile(tookMs, 0.5), p99Ms: percentile(tookMs, 0.99) };
}

async function measureChats({ api, plan }: Bench): Promise<Measured['chat']> {
  await chatTimes(api, WARM_UPS, () => true);
  const alone = await chatTimes(api, plan.chats, () => true);
  const ingest = { isOn: true };
  await api.createCollection('beside', null);
  const done = api.takeIn('beside', shortDocuments(plan.documents, 1_000_000)).finally(() => {
    ingest.isOn = false;
  });
  const [beside] = await Promise.all([chatTimes(api, CHATS_BESIDE_MAX, () => ingest.isOn), done]);
  return { aloneP50Ms: median(alone), besideIngestP50Ms: median(beside), besideIngest: beside.length };
}

/** One at a time, while it is still wanted. */
async function chatTimes(api: RagApi, count: number, isWanted: () => boolean): Promise<number[]> {
  const tookMs: number[] = [];
  for (let at = 0; at < count && isWanted(); at += 1) {
    const startedMs = performance.now();
    await api.chat(at);
    if (isWanted()) tookMs.push(performance.now() - startedMs);
  }
  return tookMs;
}
