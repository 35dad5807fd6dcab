// What this process has in flight on a server and how long its calls took there. Times are of a monotonic clock, in ms.
import { findOnServer, type KnownServer } from './registry.ts';

export interface ServerLoad {
  inFlight: number;
  /** The model of the last call that began or ended, and when that was. */
  lastModel: string | null;
  lastMs: number;
  /** A model that a call made the server load since it last said what it has loaded. */
  swap: { model: string; since: KnownServer['models'] } | null;
  /** When a call last made it load a model. */
  swapMs: number;
  /** By model. */
  times: Map<string, CallTimes>;
}

interface CallTimes {
  /** Moving averages, null before the first. */
  firstTokenMs: number | null;
  serviceMs: number | null;
  measuredMs: number;
}

/** How much a new measurement counts in an average. */
const ALPHA = 0.2;
/** An old latency is halved each time this has passed, so that a server that was slow once is asked again. */
const HALF_LIFE_MS = 10_000;

export function createServerLoad(): ServerLoad {
  return { inFlight: 0, lastModel: null, lastMs: 0, swap: null, swapMs: 0, times: new Map() };
}

export function addFirstToken(load: ServerLoad, model: string, tookMs: number, nowMs: number): void {
  const times = timesOf(load, model);
  times.firstTokenMs = average(times.firstTokenMs, tookMs);
  times.measuredMs = nowMs;
}

export function addService(load: ServerLoad, model: string, tookMs: number): void {
  const times = timesOf(load, model);
  times.serviceMs = average(times.serviceMs, tookMs);
}

/** The latency to expect; 0 where nothing is known of late. */
export function latencyOf(load: ServerLoad | undefined, model: string, nowMs: number): number {
  const times = load?.times.get(model);
  if (!times || times.firstTokenMs === null) return 0;
  return times.firstTokenMs * 0.5 ** ((nowMs - times.measuredMs) / HALF_LIFE_MS);
}

/** Whether `model` is in the server's memory; null where nobody knows. */
export function isLoadedOn(server: KnownServer, load: ServerLoad | undefined, model: string): boolean | null {
  // Loading one model may have evicted every other: until the server is asked again, only the new one is sure.
  if (load?.swap && load.swap.since === server.models) return load.swap.model === model;
  return findOnServer(server, model)?.loaded ?? null;
}

function timesOf(load: ServerLoad, model: string): CallTimes {
  const known = load.times.get(model);
  if (known) return known;
  const times = { firstTokenMs: null, serviceMs: null, measuredMs: 0 };
  load.times.set(model, times);
  return times;
}

function average(known: number | null, tookMs: number): number {
  return known === null ? tookMs : known + ALPHA * (tookMs - known);
}
