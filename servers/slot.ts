// I1: each slot is given back once, with what its call has shown of the server.
import type { KnownServer, Registry } from './registry.ts';
import type { RoutingCandidate } from './routing-explanation.ts';
import { afterCall, afterFirstToken, afterStart, type CallEnd } from './server-health.ts';
import { addFirstToken, addService, isLoadedOn, type ServerLoad } from './server-load.ts';

/** A call's place on a server. */
export interface Slot {
  readonly server: KnownServer;
  /** Whether the server must load the model first. */
  readonly loads: boolean;
  /** Whether another server could take the call too. */
  readonly hasAlternative: boolean;
  /** Only of a request that asks for it. */
  readonly choice?: SlotChoice;
  /** The call's first token has come. */
  answered(): void;
  /** Gives the slot back, with what became of the call; a second one does nothing. */
  release(end?: CallEnd): void;
}

/** Why the server was chosen. */
export interface SlotChoice {
  /** `least load 0.20 of 3; loaded`. */
  reason: string;
  candidates: RoutingCandidate[];
}

interface SlotOptions {
  server: KnownServer;
  load: ServerLoad;
  model: string;
  hasAlternative: boolean;
  choice: SlotChoice | undefined;
  nowMs: number;
}

interface SlotDeps {
  registry: Registry;
  now: () => number;
  learnsFromCalls: boolean;
  onReleased: (server: KnownServer) => void;
}

const LEFT: CallEnd = { status: 'left' };

/** Counts a call in on its server, and out again when the slot is released. */
export function openSlot(
  { server, load, model, hasAlternative, choice, nowMs }: SlotOptions,
  deps: SlotDeps,
): Slot {
  const { registry, now, learnsFromCalls, onReleased } = deps;
  const { id } = server.address;
  const mustLoad = isLoadedOn(server, load, model) === false;
  if (mustLoad) {
    load.swap = { model, since: server.models };
    load.swapMs = nowMs;
  }
  load.inFlight++;
  load.lastModel = model;
  const { health } = server;
  server.health = afterStart(health, model, nowMs);
  const isProbe = server.health !== health;
  let isHeldStill = true;
  let isAnswered = false;

  return {
    server,
    loads: mustLoad,
    hasAlternative,
    choice,
    answered() {
      if (isAnswered || !isHeldStill) return;
      isAnswered = true;
      const answeredMs = now();
      // How long it took to load says nothing of the calls to come.
      if (mustLoad) load.swapMs = answeredMs;
      else addFirstToken(load, model, answeredMs - nowMs, answeredMs);
      if (!mustLoad && !isProbe) return;
      const current = registry.server(id)?.health;
      if (!current) return;
      const next = isProbe ? afterFirstToken(current, model) : current;
      registry.setHealth(id, mustLoad ? { ...next, isSuspect: true } : next);
    },
    release(end = LEFT) {
      if (!isHeldStill) return;
      isHeldStill = false;
      const endedMs = now();
      load.inFlight--;
      load.lastModel = model;
      load.lastMs = endedMs;
      if (end.status === 'passed' && !mustLoad) addService(load, model, endedMs - nowMs);
      const current = registry.server(id)?.health;
      const shown = learnsFromCalls || end.status !== 'failed' ? end : LEFT;
      const call = { model, end: shown, isProbe, hasBegun: isAnswered, nowMs: endedMs };
      if (current) registry.setHealth(id, afterCall(current, call));
      onReleased(server);
    },
  };
}
