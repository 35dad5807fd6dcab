import { setTimeout as pause } from 'node:timers/promises';
import { loadConfig } from '../../core/config.ts';
import { AppError } from '../../core/errors.ts';
import { withApi } from '../api-access.ts';
import type { ApiClient } from '../api-client.ts';
import { type Command, parseWords, UsageError } from '../command.ts';
import { findFiles, type IngestFile, splitByName, toBatches, toForm } from '../ingest-files.ts';
import { createProgressLine } from '../progress-line.ts';

const POLL_MS = 500;

interface IngestJobView {
  id: string;
  items: {
    external_id: string;
    status: string;
    reason_code: string | null;
    error: string | null;
  }[];
  file_counts: Record<'total' | 'in_progress' | 'completed' | 'failed' | 'cancelled' | 'unchanged', number>;
}

export const ingest: Command = {
  name: 'ingest',
  summary: 'Takes files into a collection: citadel ingest <path…> --collection <name>',
  options: [
    { usage: '<path…>', description: 'files, and directories with all below them' },
    { usage: '--collection <name>', description: 'the collection; it is made where it is not there yet' },
  ],
  async run(args) {
    const { values, positionals: paths } = parseWords('ingest', args, { collection: { type: 'string' } });
    const { collection } = values;
    if (collection === undefined || paths.length === 0) {
      throw new UsageError('citadel ingest needs a path and --collection. See citadel ingest --help.');
    }
    const { unique, doubles } = splitByName(await findFiles(paths));
    if (unique.length === 0) throw new UsageError('There is no file at these paths.');
    const failures = doubles.map(({ path }) => `${path}: another file of this call has the same name`);
    await withApi(loadConfig(), async (api) => {
      await requireCollection(api, collection);
      failures.push(...(await takeIn(api, collection, unique)));
    });
    if (failures.length === 0) return;
    for (const failure of failures) console.error(failure);
    process.exitCode = 1;
  },
};

async function requireCollection(api: ApiClient, name: string): Promise<void> {
  try {
    await api.get(`/api/v1/rag/collections/${encodeURIComponent(name)}`);
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'not_found') throw error;
    await api.post('/api/v1/rag/collections', { name });
  }
}

/** What failed, a line each. While earlier batches are worked on the next ones are sent. */
async function takeIn(api: ApiClient, collection: string, files: readonly IngestFile[]): Promise<string[]> {
  const progress = createProgressLine(process.stdout, files.length);
  const jobs: IngestJobView[] = [];
  for (const batch of toBatches(files)) {
    const form = await toForm(collection, batch);
    jobs.push(await api.upload<IngestJobView>('/api/v1/rag/ingest/files', form));
    progress.show(countsOf(jobs));
  }
  for (const [index, { id }] of jobs.entries()) {
    for (;;) {
      const job = await api.get<IngestJobView>(`/api/v1/rag/ingest/jobs/${id}`);
      jobs[index] = job;
      progress.show(countsOf(jobs));
      if (job.file_counts.in_progress === 0) break;
      await pause(POLL_MS);
    }
  }
  progress.end(countsOf(jobs));
  return jobs.flatMap(({ items }) => items.filter(({ status }) => isLost(status)).map(toLine));
}

const isLost = (status: string) => status === 'failed' || status === 'cancelled';

function toLine({ external_id, status, reason_code, error }: IngestJobView['items'][number]): string {
  return `${external_id}: ${reason_code ?? status}${error === null ? '' : `: ${error}`}`;
}

function countsOf(jobs: readonly IngestJobView[]) {
  const sum = (name: keyof IngestJobView['file_counts']) =>
    jobs.reduce((total, { file_counts }) => total + file_counts[name], 0);
  return {
    completed: sum('completed'),
    unchanged: sum('unchanged'),
    failed: sum('failed') + sum('cancelled'),
  };
}
