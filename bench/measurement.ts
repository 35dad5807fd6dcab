import { setTimeout as delay } from 'node:timers/promises';
import { watchForeignLoad } from './foreign-load.ts';
import type { LoadClient } from './load-client.ts';
import type { BurstResult, LoadJob, LoopResult } from './load-job.ts';
import { createMemoryWatch, type MemoryUse, type MemoryWatch } from './memory-watch.ts';
import { CONNECTIONS, chatJob, firstTokenJob, type Plan, streamsJob, warmUpJob } from './plan.ts';
import { sumProcessorMs } from './process-facts.ts';
import { type RunningSubject, SUBJECT_TITLES, type SubjectId } from './subjects.ts';

/** What one subject did in one round. */
export interface RoundResult {
  subject: SubjectId;
  round: number;
  /** By connections. */
  chat: { connections: number; result: LoopResult; processorMsPerCall: number | null }[];
  firstToken: LoopResult;
  streams: BurstResult;
}

export interface Measurements {
  rounds: RoundResult[];
  memory: { subject: SubjectId; uses: MemoryUse[] }[];
  /** Share of all cores that processes outside of the run took; null where the system does not tell. */
  foreignLoad: number | null;
}

interface MeasureDeps {
  load: LoadClient;
  plan: Plan;
  say: (line: string) => void;
}

interface Watched {
  subject: RunningSubject;
  memory: MemoryWatch;
}

const SETTLE_MS = 200;
/** A process that has just started holds much that it gives back within seconds. */
const REST_MS = 4_000;
/** For what a job takes beyond its own time: calls that hang end by themselves before. */
const SPARE_MS = 45_000;

/** Measures all subjects in turn, round after round, in alternating order. Memory at rest is taken before any load. */
export async function measure(subjects: readonly RunningSubject[], deps: MeasureDeps): Promise<Measurements> {
  const { load, plan, say } = deps;
  const startedMs = performance.now();
  await delay(REST_MS);
  const foreignLoad = watchForeignLoad([...subjects.flatMap(pidsOf), load.pid, process.pid]);
  const watched = subjects.map((subject) => ({ subject, memory: createMemoryWatch(subject) }));
  for (const one of watched) {
    say(`warming up: ${SUBJECT_TITLES[one.subject.id]}`);
    await play(one, warmUpJob(one.subject, plan), deps);
  }

  const rounds: RoundResult[] = [];
  for (let round = 1; round <= plan.rounds; round += 1) {
    const roundStartedMs = performance.now();
    for (const one of round % 2 === 1 ? watched : watched.toReversed()) {
      say(`round ${round} of ${plan.rounds}: ${SUBJECT_TITLES[one.subject.id]}`);
      rounds.push(await measureOnce(one, round, deps));
    }
    const nowMs = performance.now();
    const nextEndsMs = nowMs - startedMs + (nowMs - roundStartedMs);
    if (round < plan.rounds && nextEndsMs > plan.limitMs) {
      say(`the time is up after ${round} rounds of ${plan.rounds}`);
      break;
    }
  }
  const memory = watched.map((one) => ({ subject: one.subject.id, uses: one.memory.use() }));
  return { rounds, memory, foreignLoad: foreignLoad() };
}

function pidsOf({ processes }: RunningSubject): number[] {
  return processes.map(({ pid }) => pid);
}

async function measureOnce(one: Watched, round: number, deps: MeasureDeps): Promise<RoundResult> {
  const { plan } = deps;
  const chat: RoundResult['chat'] = [];
  for (const connections of CONNECTIONS) {
    const beforeMs = sumProcessorMs(pidsOf(one.subject));
    const result = await play(one, chatJob(one.subject, plan, connections), deps);
    chat.push({ connections, result, processorMsPerCall: perCall(one.subject, beforeMs, result, plan) });
  }
  const firstToken = await play(one, firstTokenJob(one.subject, plan), deps);
  const streams = await play(one, streamsJob(one.subject, plan), deps);
  return { subject: one.subject.id, round, chat, firstToken, streams };
}

async function play<Job extends LoadJob>({ memory }: Watched, job: Job, { load, plan }: MeasureDeps) {
  const result = await memory.during(() => load.run(job, jobMs(job, plan) + SPARE_MS));
  await delay(SETTLE_MS);
  return result;
}

function jobMs(job: LoadJob, { streams }: Plan): number {
  return job.kind === 'loop' ? job.warmUpMs + job.windowMs : job.rampMs + streams.tokens * 100;
}

/** The calls of the warm-up count too: the time was taken before it. */
function perCall(
  subject: RunningSubject,
  beforeMs: number | null,
  { perSecond }: LoopResult,
  { loop }: Plan,
): number | null {
  const afterMs = sumProcessorMs(pidsOf(subject));
  if (beforeMs === null || afterMs === null || perSecond === 0) return null;
  return (afterMs - beforeMs) / (perSecond * ((loop.warmUpMs + loop.windowMs) / 1_000));
}
