import { z } from 'zod';
import { AppError } from '../core/errors.ts';
import type { RunSummary } from '../workflows/run-record.ts';
import type { RunDelta, RunResult, Runs } from '../workflows/runs.ts';
import type { ModelReply } from './replies/model-reply.ts';
import { requireAnswer } from './run-answer.ts';
import { citationsChunkOf, createSentParts, type SentParts, usageChunkOf } from './stored-answer.ts';

interface KeyedStreamOptions {
  runs: Pick<Runs, 'watch' | 'attempts'>;
  reply: ModelReply;
  run: RunSummary;
  /** Resolves with how the run ended. */
  ended(signal: AbortSignal): Promise<RunResult>;
  includeUsage: boolean;
  left: AbortController;
}

const Facts = z.object({
  server: z.string().nullable().catch(null),
  calls: z.number().catch(0),
  queuedMs: z.number().nullable().catch(null),
});

/** What of the job's last attempt stands in the reply's headers. */
export async function readKeyedFacts(runs: Pick<Runs, 'attempts'>, id: RunSummary['id']) {
  const attempts = await runs.attempts(id).catch(() => []);
  const { data } = Facts.safeParse(attempts.at(-1)?.facts);
  return { server: data?.server ?? null, attempts: data?.calls ?? 0, queuedMs: data?.queuedMs ?? null };
}

/**
 * Streams a job's answer, from its beginning, to whoever joins it: what the model says as it says it, and what was missed
 * from the answer that is kept. Throws what the job failed with, and AppError `bad_backend` where the answer that is kept
 * does not begin as what was sent.
 */
export async function streamKeyed(options: KeyedStreamOptions): Promise<void> {
  const { runs, reply, run, ended, includeUsage, left } = options;
  const sent = createSentParts();
  const live = createLiveText(sent, (chunks) => {
    if (!live.begun()) reply.begin({ server: null, attempts: 0, queuedMs: null });
    if (!reply.chunks(chunks)) left.abort(new AppError('client_closed', 'The client reads too slowly.'));
  });
  const unwatch = runs.watch(run.id, { onNews() {}, onDelta: live.add });
  let output: RunResult['output'];
  try {
    output = requireAnswer(await ended(left.signal)).output;
  } finally {
    unwatch();
  }
  const rest = sent.restOf(output);
  if (rest === null) {
    throw new AppError(
      'bad_backend',
      'The answer was begun by a worker that was lost. Ask again with the same Idempotency-Key.',
    );
  }
  const facts = await readKeyedFacts(runs, run.id);
  if (!live.begun()) reply.begin(facts);
  const last = [citationsChunkOf(output), includeUsage ? usageChunkOf(output) : null];
  reply.chunks([...rest, ...last.filter((chunk) => chunk !== null)]);
  reply.done(null, facts);
}

/** Passes the chunks of one attempt on, as long as none is missing. */
function createLiveText(sent: SentParts, pass: (chunks: string[]) => void) {
  let source: Pick<RunDelta, 'attempt' | 'part'> | null = null;
  let length = 0;
  let isWhole = true;
  let begun = false;

  return {
    begun: () => begun,
    add({ attempt, part, offset, text }: RunDelta): void {
      source ??= { attempt, part };
      // Another attempt, or a gap: the rest comes from the answer that is kept.
      isWhole &&= source.attempt === attempt && source.part === part && offset <= length;
      if (!isWhole) return;
      const fresh = text.slice(length - offset);
      length = Math.max(length, offset + text.length);
      const chunks = fresh.split('\n').filter((line) => line !== '' && !hasNoChoice(line));
      if (chunks.length === 0) return;
      for (const chunk of chunks) sent.add(chunk);
      pass(chunks);
      begun = true;
    },
  };
}

/** The usage comes from the answer that is kept. */
function hasNoChoice(chunk: string): boolean {
  return chunk.includes('"choices":[]');
}
