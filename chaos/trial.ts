import { join } from 'node:path';
import type { OwnedProcesses } from '../bench/owned-processes.ts';
import { createClient } from '../sdk/client.ts';
import { waitFor } from '../test/support/wait-for.ts';
import { audit, type Evidence } from './audit.ts';
import { type CallerReport, hasWebhook } from './caller.ts';
import { callAll } from './callers.ts';
import { createFailPointTurns, planFaults } from './fault-plan.ts';
import { playFaults } from './fault-player.ts';
import { API_NAMES, EMBEDDED_NAME, type Fleet, startEmbedded, startFleet, WORKER_NAMES } from './fleet.ts';
import { CHAOS_MODEL, CHILD_DEFINITION } from './leaf-steps.ts';
import type { Death } from './member.ts';
import type { Options } from './options.ts';
import { pauseMs } from './pause-ms.ts';
import { startPromptLog } from './prompt-log.ts';
import { createScenario } from './random-scenario.ts';
import { createRandomSource } from './random-source.ts';
import { startReceiver } from './receiver.ts';
import { formatReport } from './report.ts';
import type { Scenario } from './scenario.ts';
import { dumpStuck, readTables, type Tables } from './tables.ts';

interface TrialDeps {
  directory: string;
  processes: OwnedProcesses;
  signal: AbortSignal;
}

/** What a run of `minutes` minutes has to bring, and how. */
const FLEET = {
  callers: 40,
  faultEveryMs: 3_200,
  runsPerMinute: 90,
  killsPerMinute: 18,
  slowMs: 5_000,
  points: { armedShare: 0.85, atOnce: 3 },
};
/** One process alone: killed more often, its steps would be lost too often to be begun again. */
const EMBEDDED = {
  callers: 8,
  faultEveryMs: 9_000,
  runsPerMinute: 16,
  killsPerMinute: 4,
  slowMs: 0,
  points: { armedShare: 0.4, atOnce: 1 },
};
/** What a machine that does something else as well comes to. */
const WANTED_OF_QUICK = { runs: 40, kills: 10 };
const READY_MS = 60_000;
/** After the last fault everything must come to its end within this time. */
const DRAIN_MS = 75_000;
/** Longer than what a process that was killed may still be thought to be sending. */
const WEBHOOKS_MS = 70_000;
const WEBHOOK_SECRET = `whsec_${Buffer.from('a secret of this trial alone....').toString('base64')}`;

/** Whether every bound was kept. */
export async function runTrial(options: Options, deps: TrialDeps): Promise<boolean> {
  const size = options.isEmbedded ? EMBEDDED : FLEET;
  const random = createRandomSource(options.seed);
  const [scenarioRandom, faultRandom, pointRandom] = [random.fork(), random.fork(), random.fork()];
  const forMs = options.minutes * 60_000;
  const [receiver, prompts] = [await startReceiver(size.slowMs), await startPromptLog()];
  const deaths: Death[] = [];
  const failPoints = createFailPointTurns(pointRandom, size.points);
  let mayArm = true;
  const start = options.isEmbedded ? startEmbedded : startFleet;
  const fleet = await start({
    ...deps,
    env: environment(options, prompts.port, deps.directory),
    nextFailPoints: () => (mayArm ? failPoints() : ''),
    onDeath: (death) => void deaths.push(death),
  });
  try {
    const urls = fleet.members.flatMap(({ url }) => (url === null ? [] : [url]));
    await prepare(urls);
    say(`seed ${options.seed}: ${options.minutes} minutes, ${size.callers} callers`);
    const names = options.isEmbedded ? [EMBEDDED_NAME] : [...API_NAMES, ...WORKER_NAMES];
    const plan = planFaults(faultRandom, { members: names, forMs, everyMs: size.faultEveryMs });
    const scenarios = createScenarios(scenarioRandom, receiver.doubleUrl);
    const startedMs = performance.now();
    const giveUp = new AbortController();
    deps.signal.addEventListener('abort', () => giveUp.abort(new Error('interrupted')));
    const calls = callAll({
      urls,
      webhookUrl: receiver.webhookUrl,
      callers: size.callers,
      next: (at) => (performance.now() - startedMs < forMs ? scenarios.at(at) : null),
      signal: giveUp.signal,
    });
    const { storeKills } = await playFaults(plan, { ...fleet, signal: deps.signal, say });
    mayArm = false;
    say(`${((performance.now() - startedMs) / 1_000).toFixed(0)} s: no further faults`);
    const reports = await endWithin(calls, giveUp, fleet);
    deps.signal.throwIfAborted();
    await webhooksArrive(reports, receiver.webhooks);
    const evidence: Evidence = {
      reports,
      tables: await readAll(fleet, scenarios),
      prompts: prompts.counts(),
      effects: receiver.effects,
      webhooks: receiver.webhooks,
      kills: deaths.filter(({ how }) => how !== 'crashed').length + storeKills,
      wanted: options.isQuick ? WANTED_OF_QUICK : wantedOf(options, size),
    };
    const bounds = audit(evidence);
    console.log(`\n${formatReport(evidence, bounds, deaths)}\n`);
    return bounds.every(({ isKept }) => isKept);
  } finally {
    await fleet.stop();
    await Promise.all([receiver.close(), prompts.close()]);
  }
}

function wantedOf(
  { minutes }: Options,
  { runsPerMinute, killsPerMinute }: { runsPerMinute: number; killsPerMinute: number },
): Evidence['wanted'] {
  return { runs: Math.round(runsPerMinute * minutes), kills: Math.round(killsPerMinute * minutes) };
}

function environment(options: Options, modelPort: number, directory: string): Record<string, string> {
  const server = {
    id: 'sim',
    hostname: '127.0.0.1',
    port: modelPort,
    models: [CHAOS_MODEL],
    max_concurrency: 256,
  };
  return {
    CITADEL_DISCOVER: 'off',
    CITADEL_DEMO: 'off',
    CITADEL_SERVERS: JSON.stringify([server]),
    CITADEL_DATA_DIR: join(directory, 'data'),
    CITADEL_OUTBOUND_ALLOW: '127.0.0.0/8',
    CITADEL_WEBHOOK_SECRET: WEBHOOK_SECRET,
    // A check that a busy machine answers late must not take the only server away for long.
    CITADEL_HEALTH_TIMEOUT_MS: '20000',
    CITADEL_HEALTH_INTERVAL_MS: '1000',
    // So little that steps are offered to others as well.
    CITADEL_LIMITS_STEPS_AT_ONCE: '8',
    ...(options.hasFencing ? {} : { CITADEL_TRIAL_NO_FENCING: '1' }),
  };
}

/** Resolves when every API process answers, and the workflow that others start is stored. */
async function prepare(urls: readonly string[]): Promise<void> {
  for (const url of urls) {
    const isReady = async () => (await fetch(`${url}/api/v1/health/ready`).catch(() => null))?.ok;
    await waitFor(isReady, `${url} is ready`, READY_MS);
  }
  await createClient({ baseUrl: urls[0] ?? '' }).definitions.put(CHILD_DEFINITION);
}

/** Each of its own source, so that how many there were changes none of them. */
function createScenarios(random: ReturnType<typeof createRandomSource>, receiverUrl: string) {
  const made: Scenario[] = [];
  return {
    at(at: number): Scenario {
      for (let next = made.length; next <= at; next += 1) {
        made.push(createScenario(random.fork(), { tag: `c${next}`, receiverUrl }));
      }
      const scenario = made[at];
      if (scenario === undefined) throw new RangeError(`There is no scenario ${at}.`);
      return scenario;
    },
    made: made as readonly Scenario[],
  };
}

/** What has not ended by then is stuck: its rows are shown. */
async function endWithin(
  calls: Promise<CallerReport[]>,
  giveUp: AbortController,
  fleet: Fleet,
): Promise<CallerReport[]> {
  const limit = new AbortController();
  const isLate = await Promise.race([
    calls.then(() => false),
    pauseMs(DRAIN_MS, limit.signal).then(() => true),
  ]);
  limit.abort();
  if (isLate && !giveUp.signal.aborted) {
    giveUp.abort(new Error('The run did not end in time.'));
    const pool = await fleet.openTables();
    console.error(`What is stuck:\n${await dumpStuck(pool)}`);
    await pool.close();
  }
  return await calls;
}

async function webhooksArrive(
  reports: readonly CallerReport[],
  webhooks: ReadonlyMap<string, string[]>,
): Promise<void> {
  const isDue = ({ runId, outcome }: CallerReport, at: number) =>
    hasWebhook(at) && runId !== null && outcome !== null && !webhooks.has(runId);
  await waitFor(() => !reports.some(isDue), 'every webhook', WEBHOOKS_MS).catch(() => {});
}

async function readAll(fleet: Fleet, { made }: { made: readonly Scenario[] }): Promise<Tables> {
  const sleeps = new Map(made.map(({ tag, definition }) => [tag, sleepsOf(definition.steps)]));
  const pool = await fleet.openTables();
  try {
    return await readTables(pool, (tag, stepId) => sleeps.get(tag)?.get(stepId) ?? null);
  } finally {
    await pool.close();
  }
}

/** How long each step of the definition, at any depth, sleeps. */
function sleepsOf(json: unknown, found = new Map<string, number>()): Map<string, number> {
  if (typeof json !== 'object' || json === null) return found;
  if ('type' in json && json.type === 'sleep' && 'id' in json && 'for' in json) {
    found.set(String(json.id), Number.parseInt(String(json.for), 10));
  }
  for (const inner of Object.values(json)) sleepsOf(inner, found);
  return found;
}

function say(line: string): void {
  console.error(`chaos: ${line}`);
}
