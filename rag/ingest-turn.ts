import { isDiskFull } from '../core/disk-full.ts';
import { toAppError } from '../core/errors.ts';
import { failPoint } from '../core/fail-point.ts';
import type { Logger } from '../core/logger.ts';
import { activateIndex } from './active-index.ts';
import { type EmbedDeps, embedStage } from './embed-stage.ts';
import { type IndexDeps, indexStage } from './index-stage.ts';
import type { IngestMetrics } from './ingest-metrics.ts';
import { type IngestRefusal, IngestWait } from './ingest-wait.ts';
import { type Claim, type Failure, type IngestWork, keyOf } from './ingest-work.ts';
import { type ParseDeps, parseStage } from './parse-stage.ts';

export interface TurnDeps extends ParseDeps, EmbedDeps, IndexDeps {
  work: IngestWork;
  logger: Logger;
  metrics: IngestMetrics;
}

interface Refused {
  claim: Claim;
  refusal: IngestRefusal;
}

const ATTEMPTS_MAX = 5;
const RETRY_MS = 2_000;
/** A vector that is paid for is used within the hour; were it gone again and again, something else is wrong. */
const ROUNDS_MAX = 3;

/** Takes claimed documents through the stages that they have before them. Each ends published, failed, or given back. */
export async function takeTurn(deps: TurnDeps, claims: readonly Claim[], signal: AbortSignal): Promise<void> {
  failPoint('ingest.claimed');
  const tired = claims.filter(({ attempt }) => attempt > ATTEMPTS_MAX);
  if (tired.length > 0) await fail(deps, tired.map(toTiredFailure));
  const fresh = claims.filter(({ attempt }) => attempt <= ATTEMPTS_MAX);
  const byVersion = Map.groupBy(fresh, ({ versionId }) => versionId);
  for (const group of byVersion.values()) await takeGroup(deps, group, signal);
}

async function fail({ work, metrics }: TurnDeps, failures: readonly Failure[]): Promise<void> {
  await work.fail(failures);
  for (const { reasonCode } of failures) metrics.failed(reasonCode);
}

async function takeGroup(deps: TurnDeps, claims: readonly Claim[], signal: AbortSignal): Promise<void> {
  // Those whose end is not written yet.
  let open = [...claims];
  const refuse = async (refused: readonly Refused[]) => {
    if (refused.length === 0) return;
    await fail(deps, refused.map(toFailure));
    const gone = new Set(refused.map(({ claim }) => keyOf(claim)));
    open = open.filter((claim) => !gone.has(keyOf(claim)));
  };
  try {
    const toParse = open.filter(({ stage }) => stage === 'parse' || stage === 'chunk');
    const parsed = toParse.length > 0 ? await parse(toParse) : { done: [], refused: [] };
    await refuse(parsed.refused);
    open = [...parsed.done, ...open.filter((claim) => !toParse.includes(claim))];
    await embedAndIndex();
    if (open.length === 0) return;
    failPoint('ingest.publish.before');
    await deps.metrics.stage('publish', () => deps.work.publish(open));
    deps.metrics.published(open.length);
    failPoint('ingest.published');
    if (open[0]?.isActive) await activateIndex(deps, { ...open[0], id: open[0].versionId });
  } catch (error) {
    await giveBack(deps, { claims: open, error, isStopping: signal.aborted });
  }

  function parse(toParse: readonly Claim[]) {
    return deps.metrics.stage('parse', () => parseStage(deps, toParse, signal));
  }

  async function embedAndIndex(): Promise<void> {
    const model = claims[0]?.embeddingModel ?? null;
    for (let round = 0; round < ROUNDS_MAX && open.length > 0; round++) {
      if (model !== null) {
        const embedded = await deps.metrics.stage('embed', () =>
          embedStage(deps, { model, claims: open }, signal),
        );
        open = [...embedded.done, ...embedded.refused.map(({ claim }) => claim)];
        await refuse(embedded.refused);
      }
      await moveOn('index');
      const indexed = await deps.metrics.stage('index', () =>
        indexStage(deps, { model, claims: open }, signal),
      );
      open = indexed.done;
      if (indexed.isComplete) return;
    }
  }

  async function moveOn(stage: 'index'): Promise<void> {
    const held = new Set((await deps.work.moveOn(stage, open)).map(keyOf));
    open = open.filter((claim) => held.has(keyOf(claim)));
  }
}

interface Interruption {
  claims: readonly Claim[];
  error: unknown;
  /** This process is leaving: nothing is wrong with them. */
  isStopping: boolean;
}

async function giveBack(
  { work, logger, metrics }: TurnDeps,
  { claims, error, isStopping }: Interruption,
): Promise<void> {
  if (claims.length === 0) return;
  const isWait = error instanceof IngestWait;
  if (!isWait && !isStopping) {
    logger.warn('documents could not be taken in now', {
      documents: claims.length,
      error: toAppError(error),
    });
  }
  const full = isDiskFull(error) ? ('storage_full' as const) : null;
  const wait = isWait
    ? { on: full ?? error.on, reason: error.reason, afterMs: error.afterMs, countsAsAttempt: false }
    : {
        ...{ on: full, reason: null, afterMs: isStopping ? 0 : RETRY_MS },
        countsAsAttempt: !isStopping && !isOutage(error),
      };
  metrics.givenBack(wait.on ?? (isStopping ? 'shutdown' : 'retry'), claims.length);
  // Without a store their lease lapses, and they are claimed again.
  await work
    .release(claims, wait)
    .catch((cause) => logger.debug('documents could not be given back', { error: cause }));
}

const isOutage = (error: unknown): boolean => toAppError(error).code === 'store_unavailable';

const toFailure = ({ claim, refusal }: Refused): Failure => ({
  claim,
  reasonCode: refusal.reasonCode,
  error: refusal.message,
});

const toTiredFailure = (claim: Claim): Failure => ({
  claim,
  reasonCode: 'too_many_attempts',
  error: `It did not come on in ${ATTEMPTS_MAX} attempts at the stage "${claim.stage}".`,
});
