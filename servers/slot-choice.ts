// Which server a call goes to. Pure, and cheap: it runs for each call and each server.
import type { ModelClass } from '../core/schemas/model-class.ts';
import type { KnownServer } from './registry.ts';
import { coolingMs, isTrialDue, letsCall, mayBreakOff } from './server-health.ts';
import { isLoadedOn, latencyOf, type ServerLoad } from './server-load.ts';

export interface SlotRequest {
  model: string;
  modelClass: ModelClass;
  /** Ids of servers that this job has failed on. */
  tried: ReadonlySet<string>;
  /** Ids of servers that it may be given again although it could not connect there just now. */
  again?: ReadonlySet<string>;
  /** Whether its caller sees the answer as it comes. */
  isStream?: boolean;
  /** Whether the slot is to say why its server was chosen. */
  explains?: boolean;
  /** Where its job stands among those that wait for the same model: the lowest first. */
  tag?: number;
}

/** Why a server that has the model cannot take a call for it, full or not. */
export type Obstacle = 'unhealthy' | 'draining' | 'class' | 'tried' | 'circuit' | 'cooling';

export function obstacleTo(server: KnownServer, request: SlotRequest, nowMs: number): Obstacle | null {
  const { state, classes, health, address } = server;
  if (state === 'unhealthy' || state === 'draining') return state;
  if (classes.length > 0 && !classes.includes(request.modelClass)) return 'class';
  if (request.tried.has(address.id)) return 'tried';
  if (!letsCall(health, request.model, nowMs, request.again?.has(address.id))) return 'circuit';
  return coolingMs(health, request.model, nowMs) > 0 ? 'cooling' : null;
}

/** Whether nothing but its model and class decides where the request may go. */
export function isPlain({ tried, again }: SlotRequest): boolean {
  return tried.size === 0 && !again?.size;
}

/** What to choose by, each the better the smaller, the first that differs counts. */
export interface Rank {
  server: KnownServer;
  /** -1 where a model that failed is to be tried again, 1 where the server has failed checks of late, 2 where a stream
   *  may break off in its middle, else 0. */
  tier: number;
  /** Calls in flight by weight. */
  load: number;
  /** To the first token, in ms. */
  latencyMs: number;
}

/** To load a model takes longer than so many calls take. */
const LOAD_COST_CALLS = 4;

export function rankOf(
  server: KnownServer,
  serverLoad: ServerLoad | undefined,
  request: SlotRequest,
  nowMs: number,
): Rank {
  const { model } = request;
  const calls = serverLoad?.inFlight ?? 0;
  const mustLoad = isLoadedOn(server, serverLoad, model) === false;
  return {
    server,
    tier: tierOf(server, request, nowMs),
    load: (calls + (mustLoad ? LOAD_COST_CALLS : 0)) / server.registration.weight,
    latencyMs: latencyOf(serverLoad, model, nowMs),
  };
}

function tierOf({ health }: KnownServer, { model, isStream }: SlotRequest, nowMs: number): number {
  if (isStream && mayBreakOff(health, model, nowMs)) return 2;
  if (isTrialDue(health, model, nowMs)) return -1;
  return health.checks.state === 'degraded' ? 1 : 0;
}

/** Latencies that differ by less are the same: measured ones always differ by a little. */
const LATENCY_GAIN_MIN = 0.8;
const LATENCY_GAIN_MS_MIN = 10;

export function isBetter(a: Rank, b: Rank): boolean {
  if (a.tier !== b.tier) return a.tier < b.tier;
  if (a.load !== b.load) return a.load < b.load;
  return a.latencyMs + LATENCY_GAIN_MS_MIN < b.latencyMs * LATENCY_GAIN_MIN;
}

/** After the last call for a model, how long more of them are expected. */
const KEEP_COMING_MS = 250;

/**
 * Until when a call that has waited since `sinceMs` must not make the server load its model, because calls for another
 * one keep coming there; 0 when it may.
 */
export function heldUntilMs(
  server: KnownServer,
  load: ServerLoad | undefined,
  { model, sinceMs, holdMs }: { model: string; sinceMs: number; holdMs: number },
): number {
  if (!load || holdMs === 0 || load.lastModel === null || load.lastModel === model) return 0;
  if (isLoadedOn(server, load, model) !== false) return 0;
  const heldMs = Math.max(sinceMs, load.swapMs) + holdMs;
  return load.inFlight > 0 ? heldMs : Math.min(heldMs, load.lastMs + KEEP_COMING_MS);
}
