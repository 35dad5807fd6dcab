import { afterEach } from '@jest/globals';
import { BackendFailure } from '../../core/backend-failure.ts';
import { createLocalLeases } from '../../core/local-leases.ts';
import { type Balancer, createBalancer } from '../../servers/balancer.ts';
import type { ModelInfo } from '../../servers/model-server.ts';
import { createRegistry } from '../../servers/registry.ts';
import type { CallEnd } from '../../servers/server-health.ts';
import type { Slot } from '../../servers/slot.ts';
import { registrationOf } from './registration.ts';

const RULES = { models: { lightweight: [], heavyweight: [], embedding: [] } };
export const ENDLESS = new AbortController().signal;
export const PASSED: CallEnd = { status: 'passed' };

const balancers: Balancer[] = [];

afterEach(() => {
  for (const balancer of balancers.splice(0)) balancer.close();
});

/** Healthy servers by id; each has the model `m` unless it says otherwise. */
export function setupBalancer(
  servers: Record<
    string,
    Parameters<typeof registrationOf>[1] & { reports?: Record<string, boolean | null> }
  >,
  options: { learnsFromCalls?: boolean } = {},
) {
  const clock = { nowMs: 0 };
  const registry = createRegistry(RULES);
  const leases = createLocalLeases();
  const balancer = createBalancer({
    registry,
    leases,
    modelHoldMs: 2_000,
    now: () => clock.nowMs,
    ...options,
  });
  balancers.push(balancer);
  const report = (id: string, models: Record<string, boolean | null>) =>
    registry.report(
      id,
      { models: Object.entries(models).map(([name, loaded]): ModelInfo => ({ id: name, loaded })) },
      1,
    );
  for (const [id, { reports = { m: null }, ...fields }] of Object.entries(servers)) {
    registry.put(registrationOf(id, fields));
    report(id, reports);
  }
  /** Takes a slot and ends its call as told, after `tookMs`, at its first token where it has one. */
  const call = (end: CallEnd, { model = 'm', tookMs = 0, hasBegun = end.status === 'passed' } = {}) => {
    const slot = held(balancer.tryAcquire(requestFor(model)));
    clock.nowMs += tookMs;
    if (hasBegun) slot.answered();
    slot.release(end);
    return slot.server.address.id;
  };
  return { registry, balancer, leases, clock, report, call };
}

export function requestFor(model = 'm', ...tried: string[]) {
  return { model, modelClass: 'lightweight', tried: new Set(tried) } as const;
}

export function idOf(slot: Slot | 'busy' | 'none') {
  return typeof slot === 'string' ? slot : slot.server.address.id;
}

export function held(slot: Slot | 'busy' | 'none'): Slot {
  if (typeof slot === 'string') throw new Error(`no slot: ${slot}`);
  return slot;
}

export function failedWith(
  kind: 'refused' | 500 | 429,
  { caller = 'a', retryAfterSeconds = undefined as number | undefined } = {},
): CallEnd {
  const failure =
    kind === 'refused'
      ? new BackendFailure('unreachable', 'refused', { reached: false })
      : new BackendFailure('status', 'failed', { status: kind, retryAfterSeconds });
  return { status: 'failed', failure, caller };
}

export const nextTurn = () => new Promise((resolve) => setImmediate(resolve));
