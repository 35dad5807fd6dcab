// A model call with an Idempotency-Key is an accepted job whose caller waits: its row is written before the call, its
// result before the reply, and whoever brings the same key joins the call that runs or is given its answer.
// I1: a key's limits are charged once for the job, not for those who join it.
// I2: a failure that may pass is no answer to keep: the next request with its key has the same job try again.
import type { Request, Response } from 'express';
import type { KeyGate, KeyPass } from '../access/key-gate.ts';
import type { KeyRing } from '../access/key-ring.ts';
import type { TokenEstimate } from '../access/token-estimate.ts';
import { AppError, toAppError } from '../core/errors.ts';
import type { JobId } from '../core/ids.ts';
import type { ModelClass } from '../core/schemas/model-class.ts';
import type { Priority } from '../core/schemas/priority.ts';
import type { ModelJob } from '../jobs/model-job.ts';
import type { RunSummary } from '../workflows/run-record.ts';
import type { CallRequest, RunResult, Runs } from '../workflows/runs.ts';
import { type Idempotency, markReplayed } from './idempotency.ts';
import { jobFactsOf, packJobFacts } from './job-facts.ts';
import { readKeyedFacts, streamKeyed } from './keyed-stream.ts';
import { createModelReply } from './replies/model-reply.ts';
import { contextOf } from './request-context.ts';
import { keyRevoked } from './require-staying.ts';
import { requireAnswer, toCallError } from './run-answer.ts';

export interface KeyedCallDeps {
  runs: Runs;
  keyGate: Pick<KeyGate, 'enter'>;
  keyRing: Pick<KeyRing, 'onRevoked'>;
  /** The longest a call may take. */
  totalMs: number;
  isLeaving(): boolean;
}

interface KeyedCall extends Pick<ModelJob, 'stream' | 'includeUsage'> {
  kind: CallRequest['kind'];
  req: Request;
  res: Response;
  idempotency: Idempotency;
  /** The model that is asked for, as it is known here, and all its names. Throws where it cannot be called. */
  find(): { name: string; modelClass: ModelClass; names: string[] };
  priority: Priority;
  cancelOnDisconnect: boolean;
  estimate: () => TokenEstimate;
}

/** Between two looks whether this process is to end. */
const WAIT_MS = 5_000;
/** How often `totalMs` a job may take, with its attempts. */
const HOLDS_MAX = 4;
const NEVER = new AbortController().signal;

export async function answerKeyed(deps: KeyedCallDeps, call: KeyedCall): Promise<void> {
  const { res, includeUsage } = call;
  const left = new AbortController();
  const { limits } = contextOf(res).principal;
  const forgetRevoked = deps.keyRing.onRevoked(limits?.keyId, () => left.abort(keyRevoked()));
  res.once('close', () => {
    forgetRevoked();
    if (!res.writableFinished) left.abort(new AppError('client_closed', 'The client closed the connection.'));
  });
  const { run, replayed } = await startOrJoin(deps, call);
  contextOf(res).runId = run.id;
  markReplayed(res, replayed);
  if (call.cancelOnDisconnect) cancelWith(left.signal, deps.runs, run);
  const reply = createModelReply(res, run.id as string as JobId, jobFactsOf(run).model ?? '');
  const untilMs = performance.now() + deps.totalMs;
  const ended = (signal: AbortSignal) => untilEnded(deps, { run, signal, untilMs });
  try {
    if (call.stream) return await streamKeyed({ ...deps, reply, run, ended, includeUsage, left });
    const { output } = requireAnswer(await ended(left.signal));
    reply.done(JSON.stringify(output), await readKeyedFacts(deps.runs, run.id));
  } catch (error) {
    if (!res.destroyed) reply.failed(toAppError(error), await readKeyedFacts(deps.runs, run.id));
  }
}

function cancelWith(left: AbortSignal, runs: Runs, { id }: RunSummary): void {
  // It may have ended just then: that is what cancel says.
  const cancel = () => void runs.cancel(id).catch(() => {});
  if (left.aborted) cancel();
  else left.addEventListener('abort', cancel, { once: true });
}

async function startOrJoin(
  deps: KeyedCallDeps,
  call: KeyedCall,
): Promise<{ run: RunSummary; replayed: boolean }> {
  const { runs, keyGate } = deps;
  const { req, res, idempotency, priority } = call;
  const { principal } = contextOf(res);
  const { keyName, weight } = principal;
  const known = await runs.replay(keyName, idempotency);
  if (known) return { run: await triedAgain(runs, known), replayed: true };
  const { name, modelClass, names } = call.find();
  const pass = await keyGate.enter(principal, {
    models: names,
    estimate: call.estimate,
    setHeader: (header, value) => res.setHeader(header, value),
  });
  try {
    const started = await runs.submit({
      kind: call.kind,
      body: req.body,
      ...{ keyName, weight, priority, idempotency },
      seesAll: principal.role === 'admin',
      hasPlace: true,
      metadata: packJobFacts({ class: modelClass, model: name, position: null, metadata: null }),
    });
    // I1
    if (started.replayed) pass?.cancel();
    else if (pass) settleAtEnd(deps, started.run, pass);
    return started;
  } catch (error) {
    pass?.cancel();
    throw error;
  }
}

/** I2 */
async function triedAgain(runs: Runs, run: RunSummary): Promise<RunSummary> {
  if (run.status !== 'failed' || toCallError(run.error).retry === 'never') return run;
  try {
    return await runs.retry(run.id);
  } catch (error) {
    // Somebody else was faster.
    if (toAppError(error).code === 'conflict') return run;
    throw error;
  }
}

/** Holds the key's pass until the job has ended, whoever has left by then. */
function settleAtEnd(deps: KeyedCallDeps, run: RunSummary, pass: KeyPass): void {
  const untilMs = performance.now() + HOLDS_MAX * deps.totalMs;
  untilEnded({ ...deps, isLeaving: () => false }, { run, signal: NEVER, untilMs })
    .then(() => deps.runs.summary(run.id))
    .then((ended) => pass.settle(ended?.tokens ?? 0))
    .catch(() => pass.settle(0));
}

interface Waiting {
  run: RunSummary;
  signal: AbortSignal;
  untilMs: number;
}

async function untilEnded(
  { runs, isLeaving, totalMs }: KeyedCallDeps,
  { run, signal, untilMs }: Waiting,
): Promise<RunResult> {
  for (;;) {
    const waitMs = Math.min(WAIT_MS, Math.max(0, untilMs - performance.now()));
    const result = await runs.result(run.id, waitMs, signal);
    if (result.ended) return result;
    signal.throwIfAborted();
    if (isLeaving()) throw joinLater('overloaded', 'Citadel is shutting down.');
    // The job goes on.
    if (performance.now() >= untilMs) {
      throw joinLater('deadline_exceeded', `The call takes longer than ${totalMs} ms.`);
    }
  }
}

function joinLater(code: 'overloaded' | 'deadline_exceeded', message: string): AppError {
  return new AppError(code, `${message} Ask again with the same Idempotency-Key.`, { retryAfterSeconds: 1 });
}
