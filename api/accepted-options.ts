import type { Response } from 'express';
import type { KeyGate, KeyPass } from '../access/key-gate.ts';
import type { KeyRing } from '../access/key-ring.ts';
import { AppError } from '../core/errors.ts';
import type { WebhookRequest } from '../core/schemas/webhook.ts';
import type { RunOptions, Runs, StartedRun } from '../workflows/runs.ts';
import type { Idempotency } from './idempotency.ts';
import { contextOf } from './request-context.ts';
import { requireStaying } from './require-staying.ts';

export interface AcceptDeps {
  runs: Runs;
  keyGate: Pick<KeyGate, 'accept'>;
  keyRing: Pick<KeyRing, 'isRevoked' | 'onRevoked'>;
  isLeaving(): boolean;
  /** Whether webhooks that bring no secret can be signed. */
  hasWebhookSecret: boolean;
}

interface Acceptance {
  res: Response;
  idempotency: Idempotency | null;
  /** Checks what is wanted. It is not asked for what an earlier request has started. */
  prepare(): Promise<PreparedWork> | PreparedWork;
}

interface PreparedWork {
  /** The models that the work will call, as far as they are known now, each by all its names. */
  models: readonly (readonly string[])[];
  estimate: () => { prompt: number; completion: number };
  start(options: Pick<RunOptions, 'keyName' | 'weight' | 'idempotency'>): Promise<StartedRun>;
}

/** Starts work that is answered 202, within its key's limits; what an earlier request has started uses up nothing. */
export async function accept(
  { runs, keyGate, ...staying }: AcceptDeps,
  { res, idempotency, prepare }: Acceptance,
): Promise<StartedRun> {
  const context = contextOf(res);
  const { principal } = context;
  requireStaying(staying, principal);
  const { keyName, weight } = principal;
  const known = idempotency && (await runs.replay(keyName, idempotency));
  if (known) {
    context.runId = known.id;
    return { run: known, replayed: true };
  }
  const { models, estimate, start } = await prepare();
  const pass: KeyPass | null = await keyGate.accept(principal, {
    models,
    estimate,
    setHeader: (name, value) => res.setHeader(name, value),
  });
  try {
    const started = await start({ keyName, weight, idempotency });
    context.runId = started.run.id;
    if (started.replayed) pass?.cancel();
    const { prompt, completion } = estimate();
    pass?.settle(prompt + completion);
    return started;
  } catch (error) {
    pass?.cancel();
    throw error;
  }
}

export const noTokens = () => ({ prompt: 0, completion: 0 });

/** The webhook as it is kept. Throws AppError `invalid_request` where nothing could sign it. */
export function toWebhook(
  webhook: WebhookRequest | undefined,
  { hasWebhookSecret }: Pick<AcceptDeps, 'hasWebhookSecret'>,
): RunOptions['webhook'] {
  if (!webhook || webhook.secret !== undefined || hasWebhookSecret) return webhook ?? null;
  throw new AppError(
    'invalid_request',
    "A webhook needs a secret to sign it: send 'webhook.secret', or have CITADEL_WEBHOOK_SECRET set.",
    { param: 'webhook.secret' },
  );
}
