// I1: a server is never given more calls at once by this process than its max_concurrency.
// I2: of the jobs that wait for one model, the one that came first gets the next slot.
// I3: models that are waited for take turns at the slots of a server that they share.
import type { ModelClass } from '../core/schemas/model-class.ts';
import { findOnServer, type KnownServer, type Registry } from './registry.ts';

export interface SlotRequest {
  model: string;
  modelClass: ModelClass;
  /** Ids of servers that this job has failed on. */
  tried: ReadonlySet<string>;
}

export interface Slot {
  readonly server: KnownServer;
  /** Gives the slot back; a second call does nothing. */
  release(): void;
}

export interface Balancer {
  /** A slot on the least busy server that can serve the request now; `busy` when all that can are full, `none` when
   *  there is none. */
  tryAcquire(request: SlotRequest): Slot | 'busy' | 'none';
  /** Waits while it is busy. Throws `signal.reason` when that aborts. */
  waitForSlot(request: SlotRequest, signal: AbortSignal): Promise<Slot | 'none'>;
  inFlight(serverId: string): number;
  close(): void;
}

interface Waiter {
  request: SlotRequest;
  settle(result: Slot | 'none'): void;
}

export function createBalancer(registry: Registry): Balancer {
  const inFlight = new Map<string, number>();
  const waiting = new Map<string, Waiter[]>();
  const unsubscribe = registry.onChange(() => {
    for (const model of [...waiting.keys()]) serveWaiting(model);
  });

  return {
    tryAcquire(request) {
      if (waiting.has(request.model)) return candidates(request).length === 0 ? 'none' : 'busy';
      return acquire(request);
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
          settle(result) {
            signal.removeEventListener('abort', onAbort);
            resolve(result);
          },
        };
        signal.addEventListener('abort', onAbort, { once: true });
        const queue = waiting.get(request.model);
        if (queue) queue.push(waiter);
        else waiting.set(request.model, [waiter]);
        serveWaiting(request.model);
      });
    },

    inFlight: (serverId) => inFlight.get(serverId) ?? 0,
    close: unsubscribe,
  };

  function acquire(request: SlotRequest): Slot | 'busy' | 'none' {
    const able = candidates(request);
    if (able.length === 0) return 'none';
    const free = able.filter(hasFreeSlot);
    const [first, ...others] = free;
    if (!first) return 'busy';
    const best = others.reduce((a, b) => (load(b, request.model) < load(a, request.model) ? b : a), first);
    return take(best);
  }

  function candidates({ model, modelClass, tried }: SlotRequest): KnownServer[] {
    const holders = registry.findModel(model)?.servers ?? [];
    return holders.filter(
      (server) =>
        server.state !== 'unhealthy' &&
        !tried.has(server.address.id) &&
        (server.classes.length === 0 || server.classes.includes(modelClass)),
    );
  }

  function hasFreeSlot({ address, registration }: KnownServer): boolean {
    return (inFlight.get(address.id) ?? 0) < (registration.max_concurrency ?? Number.POSITIVE_INFINITY);
  }

  /** Calls in flight by weight; a server that must load the model first counts as one call busier. */
  function load(server: KnownServer, model: string): number {
    const calls = (inFlight.get(server.address.id) ?? 0) / server.registration.weight;
    return findOnServer(server, model)?.loaded === false ? calls + 1 : calls;
  }

  function take(server: KnownServer): Slot {
    const { id } = server.address;
    inFlight.set(id, (inFlight.get(id) ?? 0) + 1);
    let held = true;
    return {
      server,
      release() {
        if (!held) return;
        held = false;
        inFlight.set(id, (inFlight.get(id) ?? 1) - 1);
        if (waiting.size === 0) return;
        for (const model of [...waiting.keys()]) serveWaiting(model);
      },
    };
  }

  function serveWaiting(model: string): void {
    const queue = waiting.get(model);
    if (!queue) return;
    let fullFor: ModelClass | undefined;
    const left = queue.filter(({ request, settle }) => {
      // Hundreds may wait: what one could not get, another like it cannot get either.
      if (request.modelClass === fullFor && request.tried.size === 0) return true;
      const result = acquire(request);
      if (result !== 'busy') {
        settle(result);
        return false;
      }
      if (request.tried.size === 0) fullFor = request.modelClass;
      return true;
    });
    if (left.length === queue.length) return;
    // I3: set anew, it comes last.
    waiting.delete(model);
    if (left.length > 0) waiting.set(model, left);
  }

  function leave(model: string, waiter: Waiter): void {
    const left = (waiting.get(model) ?? []).filter((other) => other !== waiter);
    if (left.length > 0) waiting.set(model, left);
    else waiting.delete(model);
  }
}
