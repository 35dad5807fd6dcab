import type { Response } from 'express';
import type { KeyGate, KeyPass } from '../access/key-gate.ts';
import type { KeyRing } from '../access/key-ring.ts';
import type { TokenEstimate } from '../access/token-estimate.ts';
import type { JobId } from '../core/ids.ts';
import type { Admission } from '../jobs/admission.ts';
import type { Dispatcher } from '../jobs/dispatcher.ts';
import type { Ledger } from '../jobs/ledger.ts';
import type { ModelJob } from '../jobs/model-job.ts';
import type { ReplyBus } from '../jobs/reply-bus.ts';
import type { ModelAliases } from '../servers/model-aliases.ts';
import type { Registry } from '../servers/registry.ts';
import { requireModel, requireServer } from '../servers/require-model.ts';
import type { KeyedCallDeps } from './keyed-call.ts';
import { createModelReply, type ModelReply } from './replies/model-reply.ts';
import { createReplyRelay } from './reply-relay.ts';
import { contextOf } from './request-context.ts';
import { keyRevoked, requireStaying } from './require-staying.ts';

export interface ModelCallDeps extends KeyedCallDeps {
  registry: Registry;
  aliases: ModelAliases;
  dispatcher: Dispatcher;
  ledger: Ledger;
  bus: Pick<ReplyBus, 'inbox'>;
  jsonDepthMax: number;
  admission: Admission;
  keyGate: KeyGate;
  keyRing: Pick<KeyRing, 'isRevoked' | 'onRevoked'>;
}

/** The model that the name stands for now, by all its names. */
export function findModel(
  { registry, aliases }: ModelCallDeps,
  asked: string,
  { needsServer }: { needsServer: boolean },
) {
  const { name, model } = requireModel(registry, aliases, asked);
  // Who says for how long may wait for one to return.
  if (needsServer) requireServer(model);
  return { name, modelClass: model.modelClass, names: [asked, name, model.id] };
}

export interface ModelCall {
  id: JobId;
  job: ModelJob;
  res: Response;
  estimate: () => TokenEstimate;
  /** Whether it goes on without its caller. */
  finishes: boolean;
  /** What is to be made of its answer on the way. */
  decorate?(reply: ModelReply): ModelReply;
}

/** Starts a call that had to wait before: what was right then may not be now. */
export function startLater(deps: ModelCallDeps, call: ModelCall, pass: KeyPass | null): void {
  if (call.res.destroyed) {
    pass?.cancel();
    return;
  }
  try {
    requireStaying(deps, contextOf(call.res).principal);
    startCall(deps, call, pass);
  } catch (error) {
    pass?.cancel();
    throw error;
  }
}

/** Adds the job, and passes on to the client what comes back. */
export function startCall(
  deps: ModelCallDeps,
  { id, job, res, estimate, finishes, decorate }: ModelCall,
  pass: KeyPass | null,
): void {
  const { admission, dispatcher, ledger, keyRing } = deps;
  const context = contextOf(res);
  const { keyName, weight } = context.principal;
  const { prompt, completion } = estimate();
  const turn = { keyName, weight, priority: job.priority, tokens: prompt + completion };
  const tag = admission.admit(job.modelClass, turn, job.maxWaitMs);
  const reply = createModelReply(res, id, job.model);
  const relay = createReplyRelay({
    id,
    job,
    reply: decorate ? decorate(reply) : reply,
    context,
    ledger,
    estimate,
    onCharged: (tokens) => pass?.settle(tokens),
    onUnreadable: () => res.destroy(),
  });
  const keyId = context.principal.limits?.keyId;
  const forgetRevoked = keyRing.onRevoked(keyId, () => {
    if (relay.cut(keyRevoked())) dispatcher.cancel(id);
  });
  res.on('close', () => {
    forgetRevoked();
    if (res.writableFinished) return;
    if (finishes) return relay.detach();
    if (!relay.leave()) return;
    dispatcher.cancel(id);
  });
  dispatcher.dispatch(id, job, tag, relay.listener);
}
