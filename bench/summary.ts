import type { Faults } from './load-job.ts';
import type { Measurements, RoundResult } from './measurement.ts';
import type { MemoryUse } from './memory-watch.ts';
import { CONNECTIONS } from './plan.ts';
import { median, percentile } from './statistics.ts';
import type { SubjectId } from './subjects.ts';

/** Every number is the median of the rounds; what compares two subjects compares them within a round. */
export interface SubjectSummary {
  id: SubjectId;
  chat: ChatSummary[];
  firstToken: FirstTokenSummary;
  streams: StreamsSummary;
  memory: MemoryUse[];
}

export interface ChatSummary {
  connections: number;
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
  /** Beyond the p50 of the straight run. */
  addedP50Ms: number;
  vsStraight: number;
  /** NaN where Portkey was not measured. */
  vsPortkey: number;
  /** Of all the subject's processes; NaN where the system does not tell. */
  processorMsPerCall: number;
  faults: Faults;
}

export interface FirstTokenSummary {
  p50Ms: number;
  p99Ms: number;
  addedP50Ms: number;
  addedP99Ms: number;
  faults: Faults;
}

export interface StreamsSummary {
  tokensPerSecond: number;
  vsStraight: number;
  vsPortkey: number;
  /** Of all streams, those that ended more than BEHIND_MS after the straight run's median, or not at all. */
  behindShare: number;
  /** The last token's, against the straight run's median. */
  latenessP50Ms: number;
  latenessP99Ms: number;
  faults: Faults;
}

export const BEHIND_MS = 250;

/** One summary for each subject that was measured, in the order of the first round. */
export function summarise({ rounds, memory }: Measurements, streamsCount: number): SubjectSummary[] {
  const first = rounds.filter(({ round }) => round === 1);
  return first.map(({ subject: id }) => {
    const pairs = rounds.filter(({ subject }) => subject === id).map((own) => pairUp(own, rounds));
    return {
      id,
      chat: CONNECTIONS.map((_, index) => summariseChat(pairs, index)),
      firstToken: summariseFirstToken(pairs),
      streams: summariseStreams(pairs, streamsCount),
      memory: memory.find(({ subject }) => subject === id)?.uses ?? [],
    };
  });
}

/** Answers, of a kind of load, that were wrong or missing. */
export function countFaults(faults: Faults): number {
  return Object.values(faults).reduce((sum, count) => sum + count, 0);
}

/** A subject's round beside the others' of the same round. */
interface Pair {
  own: RoundResult;
  straight: RoundResult | undefined;
  portkey: RoundResult | undefined;
}

function pairUp(own: RoundResult, rounds: readonly RoundResult[]): Pair {
  const inRound = (id: SubjectId) =>
    rounds.find(({ round, subject }) => round === own.round && subject === id);
  return { own, straight: inRound('straight'), portkey: inRound('portkey') };
}

function summariseChat(pairs: readonly Pair[], index: number): ChatSummary {
  const chat = (round: RoundResult | undefined) => round?.chat[index];
  const perSecond = (round: RoundResult | undefined) => chat(round)?.result.perSecond ?? Number.NaN;
  const p50Ms = (round: RoundResult | undefined) => chat(round)?.result.p50Ms ?? Number.NaN;
  return {
    connections: CONNECTIONS[index] ?? 0,
    perSecond: median(pairs.map(({ own }) => perSecond(own))),
    p50Ms: median(pairs.map(({ own }) => p50Ms(own))),
    p99Ms: median(pairs.map(({ own }) => chat(own)?.result.p99Ms ?? Number.NaN)),
    addedP50Ms: median(pairs.map(({ own, straight }) => p50Ms(own) - p50Ms(straight))),
    vsStraight: median(pairs.map(({ own, straight }) => perSecond(own) / perSecond(straight))),
    vsPortkey: median(pairs.map(({ own, portkey }) => perSecond(own) / perSecond(portkey))),
    processorMsPerCall: median(pairs.map(({ own }) => chat(own)?.processorMsPerCall ?? Number.NaN)),
    faults: sumFaults(pairs.map(({ own }) => chat(own)?.result.faults ?? {})),
  };
}

function summariseFirstToken(pairs: readonly Pair[]): FirstTokenSummary {
  const p50Ms = (round: RoundResult | undefined) => round?.firstToken.firstTokenP50Ms ?? Number.NaN;
  const p99Ms = (round: RoundResult | undefined) => round?.firstToken.firstTokenP99Ms ?? Number.NaN;
  return {
    p50Ms: median(pairs.map(({ own }) => p50Ms(own))),
    p99Ms: median(pairs.map(({ own }) => p99Ms(own))),
    addedP50Ms: median(pairs.map(({ own, straight }) => p50Ms(own) - p50Ms(straight))),
    addedP99Ms: median(pairs.map(({ own, straight }) => p99Ms(own) - p99Ms(straight))),
    faults: sumFaults(pairs.map(({ own }) => own.firstToken.faults)),
  };
}

function summariseStreams(pairs: readonly Pair[], streamsCount: number): StreamsSummary {
  const perSecond = (round: RoundResult | undefined) => round?.streams.tokensPerSecond ?? Number.NaN;
  const lateness = pairs.map(({ own, straight }) => latenessOf(own, straight));
  const onTime = lateness.map((all) => all.filter((lateMs) => lateMs <= BEHIND_MS).length);
  return {
    tokensPerSecond: median(pairs.map(({ own }) => perSecond(own))),
    vsStraight: median(pairs.map(({ own, straight }) => perSecond(own) / perSecond(straight))),
    vsPortkey: median(pairs.map(({ own, portkey }) => perSecond(own) / perSecond(portkey))),
    behindShare: median(onTime.map((count) => 1 - count / streamsCount)),
    latenessP50Ms: median(lateness.map((all) => percentile(all, 0.5))),
    latenessP99Ms: median(lateness.map((all) => percentile(all, 0.99))),
    faults: sumFaults(pairs.map(({ own }) => own.streams.faults)),
  };
}

function latenessOf(own: RoundResult, straight: RoundResult | undefined): number[] {
  const dueMs = median(straight?.streams.lastTokenMs ?? []);
  return own.streams.lastTokenMs.map((lastMs) => lastMs - dueMs);
}

function sumFaults(all: readonly Faults[]): Faults {
  const sum: Faults = {};
  for (const faults of all) {
    for (const [fault, count] of Object.entries(faults)) sum[fault] = (sum[fault] ?? 0) + count;
  }
  return sum;
}
