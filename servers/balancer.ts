// I1: a server is never given more calls at once than its max_concurrency, by all processes together (`leases`).
// I2: of the jobs that wait for one model, the one with the lowest tag gets the next slot, of equal ones the first.
// I3: models that are waited for take turns at the slots of a server that they share.
// I4: a model that a server would have to load waits, while calls for another one keep coming there, at most
//     `modelHoldMs` from then or from the last time a model was loaded there: two busy models change places no more
//     often.
import type { Leases } from '../core/leases.ts';
import { createLocalLeases } from '../core/local-leases.ts';
import { pollUntil } from '../core/poll-until.ts';
import type { ModelClass } from '../core/schemas/model-class.ts';
import type { KnownServer, Registry } from './registry.ts';
import {
  choiceOf,
  explainRouting,
  type RoutingExplanation,
  refusalOf,
  type SlotRefusal,
} from './routing-explanation.ts';
import { createServerLoad, type ServerLoad } from './server-load.ts';
import { openSlot, type Slot } from './slot.ts';
import {
  heldUntilMs,
  isBetter,
  isPlain,
  obstacleTo,
  type Rank,
  rankOf,
  type SlotRequest,
} from './slot-choice.ts';

export interface Balancer {
  /** A slot on the best server that can serve the request now; `busy` when all that can are full, `none` when there
   *  is none. */
  tryAcquire(request: SlotRequest): Slot | 'busy' | 'none';
  /** Waits while it is busy. Throws `signal.reason` when that aborts. */
  waitForSlot(request: SlotRequest, signal: AbortSignal): Promise<Slot | 'none'>;
  /** Waits until a server could serve the request, for `limitMs` at most: whether there is one. Throws
   *  `signal.reason` when that aborts. */
  waitForServer(request: SlotRequest, limitMs: number, signal: AbortSignal): Promise<boolean>;
  /** Whether any server could serve the request, full or not. */
  canServe(request: SlotRequest): boolean;
  /** Why there is none, for the caller. */
  refusal(request: SlotRequest): SlotRefusal;
  /** What would be decided now, and why; changes nothing. */
  explain(request: SlotRequest): RoutingExplanation;
  inFlight(serverId: string): number;
  close(): void;
}

interface BalancerOptions {
  registry: Registry;
  leases?: Leases;
  modelHoldMs?: number;
  /** Whether failed calls count against their server. */
  learnsFromCalls?: boolean;
  /** Of a monotonic clock, in ms. */
  now?: () => number;
}

interface Waiter {
  request: SlotRequest;
  sinceMs: number;
  settle(result: Slot | 'none'): void;
}

const MODEL_HOLD_MS = 2_000;
/** A breaker lets a call pass again by time alone, of which nobody tells. */
const SERVER_POLL_MS = 100;
const monotonicNow = () => performance.now();

export function createBalancer(options: BalancerOptions): Balancer {
  const { registry, leases = createLocalLeases(), modelHoldMs = MODEL_HOLD_MS, now = monotonicNow } = options;
  const loads = new Map<string, ServerLoad>();
  const waiting = new Map<string, Waiter[]>();
  let serving: 'no' | 'yes' | 'again' = 'no';
  /** When a model that is held may be loaded, at the earliest. */
  let wakeMs = Number.POSITIVE_INFINITY;
  let timer: NodeJS.Timeout | undefined;
  const unsubscribes = [registry.onChange(onChange), leases.onFree(serveAll)];
  const slotDeps = { registry, now, learnsFromCalls: options.learnsFromCalls ?? true, onReleased };

  return {
    tryAcquire(request) {
      if (waiting.has(request.model)) return canServe(request) ? 'busy' : 'none';
      return acquire(request, now());
    },

    waitForSlot(request, signal) {
      signal.throwIfAborted();
      return new Promise((resolve, reject) => {
        const onAbort = () => {
          leave(request.model, waiter);
          reject(signal.reason);
        };
        const waiter: Waiter = {
          request,
          sinceMs: now(),
          settle(result) {
            signal.removeEventListener('abort', onAbort);
            resolve(result);
          },
        };
        signal.addEventListener('abort', onAbort, { once: true });
        join(request.model, waiter);
        serveAll();
      });
    },

    waitForServer(request, limitMs, signal) {
      return pollUntil(() => canServe(request), { everyMs: SERVER_POLL_MS, limitMs, signal });
    },

    canServe,
    refusal: (request) => refusalOf(registry, request, now()),
    explain: (request) => explainRouting(explainOptions(request)),
    inFlight: (serverId) => loads.get(serverId)?.inFlight ?? 0,
    close() {
      clearTimeout(timer);
      for (const unsubscribe of unsubscribes) unsubscribe();
    },
  };

  function acquire(request: SlotRequest, sinceMs: number): Slot | 'busy' | 'none' {
    const servers = registry.findModel(request.model)?.servers;
    if (!servers) return 'none';
    const nowMs = now();
    let refused: Set<KnownServer> | undefined;
    for (;;) {
      let best: Rank | undefined;
      let able = 0;
      for (const server of servers) {
        if (obstacleTo(server, request, nowMs) !== null) continue;
        able++;
        if (refused?.has(server) || isFull(server) || isHeld(server, request, sinceMs, nowMs)) continue;
        const rank = rankOf(server, loads.get(server.address.id), request, nowMs);
        if (!best || isBetter(rank, best)) best = rank;
      }
      if (!best) return able > 0 ? 'busy' : 'none';
      const { server } = best;
      const limit = server.registration.max_concurrency;
      if (limit === undefined || leases.tryTake(leaseOf(server), limit)) {
        const load = loadOf(server.address.id);
        const choice = request.explains ? choiceOf(explainOptions(request), best, able) : undefined;
        const { model } = request;
        return openSlot({ server, load, model, hasAlternative: able > 1, choice, nowMs }, slotDeps);
      }
      refused ??= new Set();
      refused.add(server);
    }
  }

  function canServe(request: SlotRequest): boolean {
    const nowMs = now();
    const servers = registry.findModel(request.model)?.servers ?? [];
    return servers.some((server) => obstacleTo(server, request, nowMs) === null);
  }

  function explainOptions(request: SlotRequest): Parameters<typeof explainRouting>[0] {
    return {
      registry,
      request,
      nowMs: now(),
      loadOf: (id) => loads.get(id),
      isFull,
      waiting: waiting.get(request.model)?.length ?? 0,
      holdMs: modelHoldMs,
    };
  }

  function isFull({ address, registration }: KnownServer): boolean {
    const limit = registration.max_concurrency;
    return limit !== undefined && (loads.get(address.id)?.inFlight ?? 0) >= limit;
  }

  function isHeld(server: KnownServer, { model }: SlotRequest, sinceMs: number, nowMs: number): boolean {
    const load = loads.get(server.address.id);
    const untilMs = heldUntilMs(server, load, { model, sinceMs, holdMs: modelHoldMs });
    if (untilMs <= nowMs) return false;
    wakeMs = Math.min(wakeMs, untilMs);
    return true;
  }

  function onReleased(server: KnownServer): void {
    if (server.registration.max_concurrency !== undefined) leases.giveBack(leaseOf(server));
    if (waiting.size > 0) serveAll();
  }

  function onChange(): void {
    // What was measured of a server that is gone is of no more use.
    if (loads.size > registry.servers().length) {
      for (const [id, { inFlight }] of loads) if (inFlight === 0 && !registry.server(id)) loads.delete(id);
    }
    serveAll();
  }

  // To give a slot may change a server's health, whose listeners come back here.
  function serveAll(): void {
    if (serving !== 'no') {
      serving = 'again';
      return;
    }
    if (waiting.size === 0) return;
    try {
      do {
        serving = 'yes';
        for (const model of [...waiting.keys()]) serveWaiting(model);
      } while ((serving as string) === 'again');
    } finally {
      serving = 'no';
    }
    wakeLater();
  }

  function serveWaiting(model: string): void {
    const queue = waiting.get(model);
    if (!queue) return;
    let fullFor: ModelClass | undefined;
    const left = queue.filter(({ request, sinceMs, settle }) => {
      // Hundreds may wait: what one could not get, another like it cannot get either.
      if (request.modelClass === fullFor && isPlain(request)) return true;
      const result = acquire(request, sinceMs);
      if (result !== 'busy') {
        settle(result);
        return false;
      }
      if (isPlain(request)) fullFor = request.modelClass;
      return true;
    });
    if (left.length === queue.length) return;
    // I3: set anew, it comes last.
    waiting.delete(model);
    if (left.length > 0) waiting.set(model, left);
  }

  function wakeLater(): void {
    clearTimeout(timer);
    const delayMs = wakeMs - now();
    wakeMs = Number.POSITIVE_INFINITY;
    if (waiting.size > 0 && Number.isFinite(delayMs)) timer = setTimeout(serveAll, Math.max(1, delayMs));
  }

  function join(model: string, waiter: Waiter): void {
    const queue = waiting.get(model) ?? [];
    const { tag = 0 } = waiter.request;
    const after = queue.findLastIndex((other) => (other.request.tag ?? 0) <= tag);
    queue.splice(after + 1, 0, waiter);
    waiting.set(model, queue);
  }

  function leave(model: string, waiter: Waiter): void {
    const left = (waiting.get(model) ?? []).filter((other) => other !== waiter);
    if (left.length > 0) waiting.set(model, left);
    else waiting.delete(model);
  }

  function loadOf(id: string): ServerLoad {
    const known = loads.get(id);
    if (known) return known;
    const load = createServerLoad();
    loads.set(id, load);
    return load;
  }
}

const leaseOf = ({ address }: KnownServer) => `server:${address.id}`;
