// The load generator: a process of its own, so that measuring takes no time from what is measured.
// Its parent sends one LoadJob at a time and gets one GeneratorReply for each.

import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'undici';
import { type CallOutcome, callOnce } from './load-call.ts';
import type {
  BurstJob,
  BurstResult,
  Faults,
  GeneratorReply,
  LoadJob,
  LoopJob,
  LoopResult,
} from './load-job.ts';
import { percentile } from './statistics.ts';

const CONNECT_MS = 5_000;
const SILENCE_MS = 20_000;
/** A loop that fails this often has shown what it can. */
const FAULTS_MAX = 50;

process.on('disconnect', () => process.exit());
process.on('SIGINT', () => {}); // Ctrl-C reaches the whole group; the parent ends this process.
process.on('message', (job: LoadJob) => {
  const work: Promise<LoopResult | BurstResult> = job.kind === 'loop' ? runLoop(job) : runBurst(job);
  work.then(
    (result) => reply({ ok: true, result }),
    (error: Error) => reply({ ok: false, message: error.message }),
  );
});

function reply(message: GeneratorReply): void {
  process.send?.(message);
}

async function runLoop({ request, connections, warmUpMs, windowMs }: LoopJob): Promise<LoopResult> {
  const clients = openClients(request.origin, connections);
  const startMs = performance.now() + warmUpMs;
  const endMs = startMs + windowMs;
  const counted: CallOutcome[] = [];
  const faults = createFaultCount();

  async function repeat(client: Client): Promise<void> {
    while (performance.now() < endMs && faults.total() < FAULTS_MAX) {
      const outcome = await callOnce(client, request);
      const nowMs = performance.now();
      if (outcome.fault !== null) faults.add(outcome.fault);
      else if (nowMs >= startMs && nowMs <= endMs) counted.push(outcome);
    }
  }

  await Promise.all(clients.map(repeat));
  await closeClients(clients);
  const totals = counted.map(({ totalMs }) => totalMs);
  const firstTokens = counted.flatMap(({ firstTokenMs }) => firstTokenMs ?? []);
  return {
    calls: counted.length,
    perSecond: counted.length / (windowMs / 1_000),
    p50Ms: percentile(totals, 0.5),
    p99Ms: percentile(totals, 0.99),
    firstTokenP50Ms: firstTokens.length > 0 ? percentile(firstTokens, 0.5) : null,
    firstTokenP99Ms: firstTokens.length > 0 ? percentile(firstTokens, 0.99) : null,
    faults: faults.all,
  };
}

async function runBurst({ request, streams, rampMs }: BurstJob): Promise<BurstResult> {
  const clients = openClients(request.origin, streams);
  const faults = createFaultCount();
  const startedMs = performance.now();
  const outcomes = await Promise.all(
    clients.map(async (client, index) => {
      await delay((rampMs * index) / streams);
      return await callOnce(client, request);
    }),
  );
  const seconds = (performance.now() - startedMs) / 1_000;
  await closeClients(clients);
  for (const { fault } of outcomes) if (fault !== null) faults.add(fault);
  const whole = outcomes.filter(({ fault }) => fault === null);
  const tokens = outcomes.reduce((sum, outcome) => sum + outcome.tokens, 0);
  return {
    tokens,
    tokensPerSecond: tokens / seconds,
    firstTokenMs: whole.flatMap(({ firstTokenMs }) => firstTokenMs ?? []),
    lastTokenMs: whole.flatMap(({ lastTokenMs }) => lastTokenMs ?? []),
    faults: faults.all,
  };
}

function openClients(origin: string, count: number): Client[] {
  const limits = {
    connect: { timeout: CONNECT_MS },
    headersTimeout: SILENCE_MS,
    bodyTimeout: SILENCE_MS,
    pipelining: 1,
  };
  return Array.from({ length: count }, () => new Client(origin, limits));
}

async function closeClients(clients: readonly Client[]): Promise<void> {
  await Promise.all(clients.map((client) => client.destroy()));
}

function createFaultCount() {
  const all: Faults = {};
  let total = 0;
  return {
    all,
    total: () => total,
    add(fault: string): void {
      all[fault] = (all[fault] ?? 0) + 1;
      total += 1;
    },
  };
}
