// npm run soak: Citadel in front of four simulated servers, one of which fails at any time, under steady calls.

import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { freePort } from '../../test/support/free-port.ts';
import { waitFor } from '../../test/support/wait-for.ts';
import { createOwnedProcesses, type OwnedProcess, type OwnedProcesses } from '../owned-processes.ts';
import { type CallRecord, callOnce } from './soak-calls.ts';
import { playFaults } from './soak-faults.ts';
import { checkBounds, formatReport } from './soak-report.ts';
import { type SoakServer, startSoakServer } from './soak-servers.ts';

const HELP = `npm run soak [-- options]

Citadel (embedded) in front of four simulated model servers, one of which fails at any time; each answer is compared
with what it should be.

  --seconds <n>        how long [180]
  --streams <n>        one call in so many is a stream [10]; one that breaks off after its first token fails, since it
                       cannot be moved: with more of them the same faults make more failures
  --no-passive         failed calls count against no server: the soak must fail then, or it proves nothing
  --set <NAME=value>   a setting of Citadel's, as in its environment; may be given several times
  --help               this text

The exit code is 1 when a bound is broken.`;

const SERVERS = 4;
const CALLS_PER_MINUTE = 1_500;
const READY_MS = 40_000;
const EXIT_INTERRUPTED = 130;
const CITADEL = fileURLToPath(new URL('../../bin/citadel.mjs', import.meta.url));
/** A caller who waits for three silent servers in turn still has an answer within the limit of a call. */
const SETTINGS = {
  CITADEL_DISCOVER: 'off',
  CITADEL_DEMO: 'off',
  CITADEL_LIMITS_FIRST_TOKEN_MS: '3000',
  CITADEL_LIMITS_LOAD_MS: '3000',
  CITADEL_LIMITS_IDLE_MS: '3000',
};

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '180' },
    streams: { type: 'string', default: '10' },
    'no-passive': { type: 'boolean', default: false },
    set: { type: 'string', multiple: true, default: [] },
    help: { type: 'boolean', short: 'h' },
  },
});
if (values.help) {
  console.log(HELP);
  process.exit(0);
}
process.exitCode = await soak({
  forSeconds: numberFrom(1, 86_400, 'seconds'),
  streamEvery: numberFrom(1, 1_000, 'streams'),
  settings: values['no-passive'] ? ['CITADEL_HEALTH_PASSIVE=off', ...values.set] : values.set,
});

interface SoakOptions {
  forSeconds: number;
  /** One call in so many is a stream. */
  streamEvery: number;
  settings: readonly string[];
}

async function soak({ forSeconds, streamEvery, settings }: SoakOptions): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), 'citadel-soak-'));
  const processes = createOwnedProcesses(directory);
  const over = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => over.abort());
  const servers: SoakServer[] = [];
  try {
    for (let at = 1; at <= SERVERS; at += 1) servers.push(await startSoakServer(`server-${at}`));
    const origin = await startCitadel({ servers, settings, directory, processes });
    say(
      `${forSeconds} s, ${CALLS_PER_MINUTE} calls a minute, ${SERVERS} servers; streams: 1 in ${streamEvery}`,
    );
    for (const setting of settings) say(`with ${setting}`);
    const faults = playFaults(servers, { signal: over.signal, say });
    const callsDue = Math.round((CALLS_PER_MINUTE / 60) * forSeconds);
    const calls = await makeCalls({ origin, count: callsDue, streamEvery }, over.signal);
    if (over.signal.aborted) return EXIT_INTERRUPTED;
    over.abort();
    const bounds = checkBounds(calls, callsDue);
    console.log(`\n${formatReport(calls, await faults, bounds)}\n`);
    return bounds.every(({ isKept }) => isKept) ? 0 : 1;
  } catch (error) {
    if (over.signal.aborted) return EXIT_INTERRUPTED;
    throw error;
  } finally {
    over.abort();
    await Promise.all([...servers.map((server) => server.kill()), processes.killAll()]);
    await rm(directory, { recursive: true, force: true });
  }
}

/** At a steady pace, however long the answers take. */
async function makeCalls(
  { origin, count, streamEvery }: { origin: string; count: number; streamEvery: number },
  signal: AbortSignal,
): Promise<CallRecord[]> {
  const soakStartedMs = performance.now();
  const calls: Promise<CallRecord>[] = [];
  for (let at = 0; at < count && !signal.aborted; at += 1) {
    const dueMs = soakStartedMs + (at * 60_000) / CALLS_PER_MINUTE;
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, dueMs - performance.now())));
    calls.push(callOnce(origin, { isStream: at % streamEvery === 0, soakStartedMs }));
  }
  return await Promise.all(calls);
}

interface CitadelDeps {
  servers: readonly SoakServer[];
  /** `NAME=value`, over the soak's own. */
  settings: readonly string[];
  directory: string;
  processes: OwnedProcesses;
}

async function startCitadel({ servers, settings, directory, processes }: CitadelDeps): Promise<string> {
  const port = await freePort();
  const citadel = processes.start({
    name: 'citadel',
    id: 'citadel',
    command: process.execPath,
    args: [CITADEL, 'up'],
    env: {
      ...SETTINGS,
      PORT: String(port),
      CITADEL_DATA_DIR: join(directory, 'data'),
      CITADEL_SERVERS: JSON.stringify(
        servers.map((server) => ({ id: server.id, hostname: '127.0.0.1', port: server.port })),
      ),
      ...Object.fromEntries(settings.map(parseSetting)),
    },
  });
  const origin = `http://127.0.0.1:${port}`;
  await whenReady(origin, citadel);
  return origin;
}

/** Resolves after a right answer. */
async function whenReady(origin: string, citadel: OwnedProcess): Promise<void> {
  const asked = { isStream: false, soakStartedMs: 0 };
  const answers = async () => (await callOnce(origin, asked)).outcome === 'right';
  const isOver = () => citadel.ended() !== null;
  await waitFor(async () => isOver() || (await answers()), 'a first answer', READY_MS).catch(() => {});
  if (isOver() || !(await answers()))
    throw new Error(`Citadel does not answer:\n${await citadel.lastWords()}`);
}

function numberFrom(min: number, max: number, name: 'seconds' | 'streams'): number {
  const value = Number(values[name]);
  if (value >= min && value <= max) return value;
  throw new Error(`--${name} takes ${min} to ${max}.`);
}

function parseSetting(text: string): [name: string, value: string] {
  const [, name, value] = /^([A-Z_]+)=(.*)$/.exec(text) ?? [];
  if (name === undefined || value === undefined) throw new Error(`--set takes NAME=value, not "${text}".`);
  return [name, value];
}

function say(line: string): void {
  console.error(`soak: ${line}`);
}
