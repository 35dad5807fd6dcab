import type { KnownServer, Registry } from './registry.ts';
import { closedForMs, coolingMs } from './server-health.ts';
import { isLoadedOn, type ServerLoad } from './server-load.ts';
import type { SlotChoice } from './slot.ts';
import {
  heldUntilMs,
  isBetter,
  type Obstacle,
  obstacleTo,
  type Rank,
  rankOf,
  type SlotRequest,
} from './slot-choice.ts';

/** Why no server can take a call now, as an error code, and when one may. */
export interface SlotRefusal {
  code: 'no_healthy_server' | 'rate_limit_exceeded';
  retryAfterSeconds: number;
}

/** A routing decision with every server that was looked at. */
export interface RoutingExplanation {
  /** Where the call would go, or for which server it would wait; null when none can take it. */
  assigned: string | null;
  /** Until the call would have its whole answer, from what calls took of late; null when none can take it. */
  estimatedMs: number | null;
  candidates: RoutingCandidate[];
}

export interface RoutingCandidate {
  server: string;
  /** Calls in flight by weight, with what loading the model costs: the smallest wins. Null where it cannot be chosen. */
  score: number | null;
  reason: string;
}

interface ExplainOptions {
  registry: Registry;
  request: SlotRequest;
  nowMs: number;
  loadOf(id: string): ServerLoad | undefined;
  isFull(server: KnownServer): boolean;
  /** Calls that wait for the model now. */
  waiting: number;
  holdMs: number;
}

/** Until something is measured. */
const SERVICE_MS_DEFAULT = 2_000;
const RETRY_AFTER_SECONDS = 5;
/** That a slot tells of. */
const CANDIDATES_MAX = 32;

/** Of servers that cannot take the call: the soonest that wants it later, or else none is healthy. */
export function refusalOf(registry: Registry, request: SlotRequest, nowMs: number): SlotRefusal {
  const holders = registry.findModel(request.model)?.servers ?? [];
  const soonest = (obstacle: Obstacle, waitMs: (server: KnownServer) => number) =>
    Math.min(
      ...holders
        .filter((server) => obstacleTo(server, request, nowMs) === obstacle)
        .map((server) => waitMs(server)),
    );
  const coolMs = soonest('cooling', ({ health }) => coolingMs(health, request.model, nowMs));
  if (Number.isFinite(coolMs)) return { code: 'rate_limit_exceeded', retryAfterSeconds: toSeconds(coolMs) };
  const closedMs = soonest('circuit', ({ health }) => closedForMs(health, request.model, nowMs));
  const retryAfterSeconds = Number.isFinite(closedMs) ? toSeconds(closedMs) : RETRY_AFTER_SECONDS;
  return { code: 'no_healthy_server', retryAfterSeconds };
}

/** Every server with its score and why it would be chosen or not. Slow: for people, not for calls. */
export function explainRouting(options: ExplainOptions): RoutingExplanation {
  const { registry, request, nowMs, loadOf, isFull } = options;
  const holders = new Set(registry.findModel(request.model)?.servers ?? []);
  const ranks = [...holders]
    .filter((server) => obstacleTo(server, request, nowMs) === null)
    .map((server) => rankOf(server, loadOf(server.address.id), request, nowMs));
  const free = ranks.filter(({ server }) => !isFull(server) && heldMs(options, server) === 0);
  const best = bestOf(free) ?? bestOf(ranks);

  const candidates = registry.servers().map((server) => {
    const rank = ranks.find((other) => other.server === server);
    const reason = rank ? reasonFor(options, rank, best) : obstacleText(options, server, holders.has(server));
    return { server: server.address.id, score: rank ? round(rank.load) : null, reason };
  });
  if (!best) return { assigned: null, estimatedMs: null, candidates };
  return { assigned: best.server.address.id, estimatedMs: estimate(options, best), candidates };
}

/** Why the call goes to `chosen`, one of `able` servers, in a few words. */
export function choiceOf(options: ExplainOptions, chosen: Rank, able: number): SlotChoice {
  const { server, tier, load } = chosen;
  const { model } = options.request;
  const isLoaded = isLoadedOn(server, options.loadOf(server.address.id), model);
  const rule = tier < 0 ? 'to be tried again' : `least load ${load.toFixed(2)} of ${able}`;
  const loaded = isLoaded === null ? '' : isLoaded ? '; loaded' : '; must load the model';
  const holders = new Set(options.registry.findModel(model)?.servers.map(({ address }) => address.id));
  const candidates = explainRouting(options).candidates.filter((candidate) => holders.has(candidate.server));
  return { reason: rule + loaded, candidates: candidates.slice(0, CANDIDATES_MAX) };
}

function bestOf(ranks: Rank[]): Rank | undefined {
  const [first, ...others] = ranks;
  return first && others.reduce((a, b) => (isBetter(b, a) ? b : a), first);
}

function reasonFor(options: ExplainOptions, rank: Rank, best: Rank | undefined): string {
  const { server } = rank;
  const load = options.loadOf(server.address.id);
  const calls = `${load?.inFlight ?? 0} calls in flight`;
  const full = options.isFull(server);
  if (rank === best) return full ? `chosen, but full (${calls}): the call waits` : `chosen: ${calls}`;
  if (full) return `full: ${calls}`;
  const held = heldMs(options, server);
  if (held > 0) return `another model is in use there: this one would be loaded in ${Math.ceil(held)} ms`;
  if (best && rank.tier !== best.tier) {
    if (rank.tier > 1) return 'an answer has broken off there of late';
    return rank.tier > 0 ? 'has failed checks of late' : 'the chosen one is to be tried again';
  }
  if (best && rank.load > best.load) return `busier, or must load the model: ${calls}`;
  if (best && isBetter(best, rank)) return `slower: first token after ${Math.round(rank.latencyMs)} ms`;
  return `as good as the chosen one: ${calls}`;
}

function obstacleText({ request, nowMs }: ExplainOptions, server: KnownServer, hasModel: boolean): string {
  if (!hasModel) return 'does not have the model';
  const { health, classes } = server;
  const texts: Record<Obstacle, () => string> = {
    unhealthy: () => `unhealthy: ${server.consecutiveFailures} failed checks in a row`,
    draining: () => 'draining: an operator has taken it out',
    class: () => `serves only ${classes.join(', ')}`,
    tried: () => 'this call has failed there',
    circuit: () =>
      `its calls failed: none goes there for ${Math.ceil(closedForMs(health, request.model, nowMs))} ms`,
    cooling: () => `rate limited: wants none for ${Math.ceil(coolingMs(health, request.model, nowMs))} ms`,
  };
  const obstacle = obstacleTo(server, request, nowMs);
  return obstacle ? texts[obstacle]() : 'can take it';
}

function estimate({ request, loadOf, isFull, waiting }: ExplainOptions, { server }: Rank): number {
  const load = loadOf(server.address.id);
  const serviceMs = load?.times.get(request.model)?.serviceMs ?? SERVICE_MS_DEFAULT;
  const ahead = isFull(server) ? waiting + 1 : 0;
  return Math.round(serviceMs * (1 + ahead / (server.registration.max_concurrency ?? 1)));
}

function heldMs({ request, nowMs, loadOf, holdMs }: ExplainOptions, server: KnownServer): number {
  const load = loadOf(server.address.id);
  const untilMs = heldUntilMs(server, load, { model: request.model, sinceMs: nowMs, holdMs });
  return Math.max(0, untilMs - nowMs);
}

const toSeconds = (ms: number) => Math.min(60, Math.max(1, Math.ceil(ms / 1_000)));
const round = (value: number) => Math.round(value * 100) / 100;
