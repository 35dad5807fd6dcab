// What is measured: the simulated server by itself, and each gateway in front of it.

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '../test/support/free-port.ts';
import { postgresService, startPostgres } from '../test/support/postgres.ts';
import { waitFor } from '../test/support/wait-for.ts';
import type { OwnedProcess, OwnedProcesses } from './owned-processes.ts';
import { chatRequest, type Entry } from './plan.ts';

export const RIVAL_IDS = ['embedded', 'redis', 'fleet', 'portkey'] as const;
export type RivalId = (typeof RIVAL_IDS)[number];
export type SubjectId = 'straight' | RivalId;

export const SUBJECT_TITLES = {
  straight: 'straight to the server',
  embedded: 'Citadel embedded',
  redis: 'Citadel on Redis',
  fleet: 'Citadel api + worker',
  portkey: 'Portkey gateway',
} as const satisfies Record<SubjectId, string>;

export interface RunningSubject extends Entry {
  id: SubjectId;
  /** What its memory and processor time are taken of. */
  processes: readonly OwnedProcess[];
}

export interface Surroundings {
  processes: OwnedProcesses;
  /** For data directories and logs; goes away with the run. */
  directory: string;
  /** Every model that will be called. */
  models: readonly string[];
}

/** What the fleet keeps its ledger in. */
export const FLEET_STORE = postgresService.isInstalled ? 'Postgres' : 'the embedded store';

/** In force in every Citadel of the run: 200 streams at once must not wait for a slot. */
export const LIGHTWEIGHT_CONCURRENCY = 256;

const CITADEL = nodeArguments('citadel');
const CITADEL_UP = nodeArguments('start');
const PORTKEY = fileURLToPath(
  new URL('node_modules/@portkey-ai/gateway/build/start-server.js', import.meta.url),
);
const LOOPBACK_ONLY = new URL('loopback-only.mjs', import.meta.url).href;
const READY_MS = 40_000;

export function isRivalId(text: string): text is RivalId {
  return RIVAL_IDS.some((id) => id === text);
}

/** Why this machine cannot run the subject; null where it can. */
export function missingFor(id: RivalId): string | null {
  if (id !== 'redis' && id !== 'fleet') return null;
  const isInstalled = spawnSync('redis-server', ['--version']).status === 0;
  return isInstalled ? null : 'redis-server is not installed';
}

/** Starts the simulated model server. Throws an Error with its last words when it does not answer. */
export async function startStraight(around: Surroundings): Promise<RunningSubject> {
  const port = await freePort();
  const args = [...CITADEL, 'simulate', '--port', String(port), '--models', around.models.join(',')];
  const server = around.processes.start({ name: 'server', id: 'straight', command: process.execPath, args });
  return await whenReady({ id: 'straight', ...entryAt(port), processes: [server] }, around);
}

/** Starts a gateway in front of the server on `serverPort`. Throws an Error with its last words when it does not answer. */
export async function startRival(
  id: RivalId,
  serverPort: number,
  around: Surroundings,
): Promise<RunningSubject> {
  const parts = await STARTS[id](serverPort, around);
  return await whenReady({ id, ...parts }, around);
}

interface VariantOptions {
  id: string;
  /** How many times the simulated server is registered. */
  servers: number;
  /** A model that only one more has, and no other. */
  loneModel?: string;
  hasRedis: boolean;
  serverPort: number;
  /** Settings of its own. */
  env?: Record<string, string>;
}

/** Starts a Citadel in one process that is like no other subject; its own process comes first. */
export async function startVariant(
  { id, servers, loneModel, hasRedis, serverPort, env: own }: VariantOptions,
  around: Surroundings,
): Promise<Parts> {
  const redis = hasRedis ? await startRedis(id, around) : null;
  const port = await freePort();
  const env = {
    ...(await citadelEnvironment(serverPort, around, { count: servers, loneModel })),
    ...own,
    PORT: String(port),
    ...(redis && { REDIS_URL: redis.url }),
  };
  const citadel = startCitadel(id, ['up'], { env, around });
  return await whenReady(
    { ...entryAt(port), processes: [citadel, ...(redis ? [redis.process] : [])] },
    around,
  );
}

type Parts = Omit<RunningSubject, 'id'>;

const STARTS: Record<RivalId, (serverPort: number, around: Surroundings) => Promise<Parts>> = {
  async embedded(serverPort, around) {
    const port = await freePort();
    const env = { ...(await citadelEnvironment(serverPort, around)), PORT: String(port) };
    return { ...entryAt(port), processes: [startCitadel('embedded', ['up'], { env, around })] };
  },

  async redis(serverPort, around) {
    const redis = await startRedis('redis', around);
    const port = await freePort();
    const env = {
      ...(await citadelEnvironment(serverPort, around)),
      PORT: String(port),
      REDIS_URL: redis.url,
    };
    const citadel = startCitadel('redis', ['up'], { env, around });
    return { ...entryAt(port), processes: [citadel, redis.process] };
  },

  async fleet(serverPort, around) {
    const redis = await startRedis('fleet', around);
    const port = await freePort();
    const env = {
      ...(await citadelEnvironment(serverPort, around)),
      ...(await postgresEnvironment(around)),
      REDIS_URL: redis.url,
    };
    const api = startCitadel('fleet', ['api'], { env: { ...env, PORT: String(port) }, around });
    const worker = startCitadel('fleet', ['worker', '--class', 'lightweight'], { env, around });
    return { ...entryAt(port), processes: [api, worker, redis.process] };
  },

  async portkey(serverPort, { processes }) {
    const port = await freePort();
    const gateway = processes.start({
      name: 'gateway',
      id: 'portkey',
      command: process.execPath,
      args: ['--import', LOOPBACK_ONLY, PORTKEY, '--headless', `--port=${port}`],
      env: { NODE_ENV: 'production' },
    });
    const headers = {
      authorization: 'Bearer none',
      'x-portkey-provider': 'openai',
      'x-portkey-custom-host': `http://127.0.0.1:${serverPort}/v1`,
    };
    return { ...entryAt(port, headers), processes: [gateway] };
  },
};

function entryAt(port: number, headers: Record<string, string> = {}): Entry {
  return { origin: `http://127.0.0.1:${port}`, headers };
}

export async function citadelEnvironment(
  serverPort: number,
  { directory, models }: Surroundings,
  { count = 1, loneModel }: { count?: number; loneModel?: string } = {},
): Promise<Record<string, string>> {
  const address = { hostname: '127.0.0.1', port: serverPort, protocol: 'openai' };
  const shared = models.filter((model) => model !== loneModel);
  const servers = Array.from({ length: count }, (_, at) => ({
    id: at === 0 ? 'sim' : `sim-${at + 1}`,
    ...address,
    models: shared,
  }));
  if (loneModel) servers.push({ id: 'lone', ...address, models: [loneModel] });
  return {
    CITADEL_DATA_DIR: await mkdtemp(join(directory, 'data-')),
    CITADEL_DISCOVER: 'off',
    CITADEL_DEMO: 'off',
    CITADEL_SERVERS: JSON.stringify(servers),
    CITADEL_CLASSES_LIGHTWEIGHT_CONCURRENCY: String(LIGHTWEIGHT_CONCURRENCY),
  };
}

export function startCitadel(
  subject: string,
  args: readonly string[],
  { env, around }: { env: Record<string, string>; around: Surroundings },
): OwnedProcess {
  const name = args[0] ?? '';
  const command = process.execPath;
  const program = name === 'up' ? CITADEL_UP : CITADEL;
  return around.processes.start({
    name,
    id: `${subject}-${name}`,
    command,
    args: [...program, ...args],
    env,
  });
}

/** Node's options and the program, as the script in package.json has them. */
function nodeArguments(script: 'citadel' | 'start'): string[] {
  const { scripts } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  const words: string[] = scripts[script].split(' ').slice(1);
  const program = words.findIndex((word) => !word.startsWith('-'));
  return [...words.slice(0, program), fileURLToPath(new URL(`../${words[program]}`, import.meta.url))];
}

export async function startRedis(
  subject: string,
  { processes, directory }: Surroundings,
): Promise<{ url: string; process: OwnedProcess }> {
  const port = await freePort();
  const data = await mkdtemp(join(directory, 'redis-'));
  const place = ['--port', String(port), '--bind', '127.0.0.1', '--dir', data, '--save', ''];
  const safety = ['--appendonly', 'yes', '--appendfsync', 'everysec', '--maxmemory-policy', 'noeviction'];
  const args = [...place, ...safety];
  const redis = processes.start({ name: 'redis', id: `${subject}-store`, command: 'redis-server', args });
  await waitFor(() => redis.ended() !== null || isListening(port), 'redis-server listens', READY_MS);
  return { url: `redis://127.0.0.1:${port}`, process: redis };
}

/** A fleet's store is Postgres; where that is not installed, the api process keeps the embedded one. */
export async function postgresEnvironment({ processes }: Surroundings): Promise<Record<string, string>> {
  const postgres = await startPostgres();
  if (postgres === null) return {};
  processes.adopt(postgres);
  return { DATABASE_URL: postgres.url };
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ port, host: '127.0.0.1' });
    socket.once('connect', () => resolve(true));
    socket.once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

/** Resolves once the subject answers a chat. */
export async function whenReady<Subject extends Parts>(
  subject: Subject,
  { models }: Surroundings,
): Promise<Subject> {
  const dead = () => subject.processes.find((owned) => owned.ended() !== null);
  const { origin, headers, body } = chatRequest(subject, models[0] ?? '');
  const answers = async () => {
    const signal = AbortSignal.timeout(READY_MS);
    const sent = fetch(`${origin}/v1/chat/completions`, { method: 'POST', headers, body, signal });
    const response = await sent.catch(() => null);
    await response?.arrayBuffer().catch(() => {});
    return response?.ok ?? false;
  };
  const first = await waitFor(async () => dead() ?? (await answers()), 'a first answer', READY_MS).catch(
    (error: Error) => error,
  );
  if (first === true) return subject;
  const culprit = dead() ?? subject.processes[0];
  throw new Error(
    `${culprit?.name}: ${culprit?.ended() ?? 'it does not answer'}\n${await culprit?.lastWords()}`,
  );
}
