import type { MachineFacts } from '../machine-facts.ts';
import { formatTable } from '../text-table.ts';
import type { Measured } from './measure.ts';
import { DIMENSIONS, EMBEDDING_MODEL, FULL_PLAN, type Plan } from './plan.ts';

export interface ReportInput {
  machine: MachineFacts;
  plan: Plan;
  measured: Measured;
  /** Of all cores, by processes outside of the run; null where the system does not tell. */
  foreignLoad: number | null;
}

interface GoalResult {
  title: string;
  limit: string;
  value: string;
  /** Null where it was not measured at the size that the target is for. */
  isMet: boolean | null;
}

/** With more than this of the processors gone to others, the numbers are about them. */
const FOREIGN_LOAD_MAX = 0.1;
const INGEST_S_MAX = 60;
const SEARCH_MS_MAX = 25;
const PDF_MB_MAX = 150;
const CHAT_RATIO_MAX = 2;

export function formatReport({ machine, plan, measured, foreignLoad }: ReportInput): string {
  const { parse, lexical, embedded, searches, searchedChunks, pdf, chat } = measured;
  const noise =
    foreignLoad !== null && foreignLoad > FOREIGN_LOAD_MAX
      ? [`NOISY: other processes took ${(foreignLoad * 100).toFixed(0)} % of the processors.`]
      : [];
  const ingestRow = (title: string, { tookMs, chunks }: Measured['lexical']) => [
    title,
    `${(tookMs / 1_000).toFixed(1)} s`,
    perSecond(plan.documents, tookMs),
    perSecond(chunks, tookMs),
  ];
  return [
    [
      `Citadel's benchmark of documents: ${machine.cores} cores (${machine.processor}), ${machine.memoryGb} GB, ${machine.system}, Node ${machine.node}`,
      `Embedded; embeddings by the simulated server (${EMBEDDING_MODEL}, ${DIMENSIONS} dimensions). All share the machine.`,
      ...noise,
    ].join('\n'),
    `${plan.documents} documents of about 1.5 KB\n${formatTable(
      ['', 'time', 'documents/s', 'chunks/s'],
      [
        ['parse and chunk', '', parse.documentsPerSecond.toFixed(0), parse.chunksPerSecond.toFixed(0)],
        ingestRow('taken in, by words only', lexical),
        ingestRow('taken in, with embeddings', embedded),
      ],
    )}`,
    `Searches in ${searchedChunks} chunks\n${formatTable(
      ['', 'p50 ms', 'p99 ms'],
      searches.map(({ mode, p50Ms, p99Ms }) => [mode, p50Ms.toFixed(1), p99Ms.toFixed(1)]),
    )}`,
    `A PDF of ${plan.pdfPages} pages: ${pdf ? `${(pdf.tookMs / 1_000).toFixed(1)} s, from ${pdf.restMb.toFixed(0)} to ${pdf.peakMb.toFixed(0)} MB` : 'its memory is unknown'}`,
    `Chats, p50: ${chat.aloneP50Ms.toFixed(1)} ms alone, ${chat.besideIngestP50Ms.toFixed(1)} ms beside an ingest (${chat.besideIngest} chats)`,
    `Targets\n${formatTable(
      ['', 'wanted', 'measured', ''],
      checkGoals(plan, measured).map(({ title, limit, value, isMet }) => [
        title,
        limit,
        value,
        isMet === null ? 'not measured' : isMet ? 'met' : 'MISSED',
      ]),
    )}`,
  ].join('\n\n');
}

/** A short round says nothing of the targets that are for a size. */
export function checkGoals(
  plan: Plan,
  { lexical, searches, searchedChunks, pdf, chat }: Measured,
): GoalResult[] {
  const p50Of = (wanted: string) => searches.find(({ mode }) => mode === wanted)?.p50Ms;
  const atSize = (isSize: boolean, value: number | undefined) => (isSize ? value : undefined);
  const isFilled = searchedChunks >= FULL_PLAN.chunks;
  return [
    goal(
      `${FULL_PLAN.documents} documents by words only, s`,
      atSize(plan.documents >= FULL_PLAN.documents, lexical.tookMs / 1_000),
      INGEST_S_MAX,
    ),
    goal('lexical search at 20 000 chunks, ms (p50)', atSize(isFilled, p50Of('lexical')), SEARCH_MS_MAX),
    goal('dense search at 20 000 chunks, ms (p50)', atSize(isFilled, p50Of('dense')), SEARCH_MS_MAX),
    goal(
      'a PDF of 300 pages, MB over idle',
      atSize(plan.pdfPages >= FULL_PLAN.pdfPages, pdf ? pdf.peakMb - pdf.restMb : undefined),
      PDF_MB_MAX,
    ),
    goal('chat beside an ingest / alone (p50)', chat.besideIngestP50Ms / chat.aloneP50Ms, CHAT_RATIO_MAX),
  ];
}

function goal(title: string, value: number | undefined, atMost: number): GoalResult {
  const isKnown = value !== undefined && Number.isFinite(value);
  return {
    title,
    limit: `≤ ${atMost}`,
    value: isKnown ? value.toFixed(1) : '–',
    isMet: isKnown ? value <= atMost : null,
  };
}

function perSecond(count: number, tookMs: number): string {
  return (count / (tookMs / 1_000)).toFixed(0);
}
