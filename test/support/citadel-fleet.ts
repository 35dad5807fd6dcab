import { spawn } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createDemoServer, type DemoServer } from '../../servers/demo/demo-server.ts';
import { freePort } from './free-port.ts';
import { NODE_OPTIONS } from './node-options.ts';
import { newDataDirectory } from './pglite-template.ts';
import { startRedis, type TestRedis } from './redis.ts';
import { waitFor } from './wait-for.ts';

type Environment = Record<string, string>;

/** Citadel's command in processes of their own, in front of a simulated model server that runs in the test's. */
export interface CitadelFleet {
  /** Null in a fleet without one. */
  redis: TestRedis | null;
  model: DemoServer;
  /** Runs `citadel <command>` and resolves when it says that it is ready; throws when it ends before. */
  start(command: 'up' | 'api' | 'worker', options?: StartOptions): Promise<FleetProcess>;
  /** Kills what still runs. */
  stop(): Promise<void>;
}

interface StartOptions {
  env?: Environment;
  args?: readonly string[];
  /** Its data directory; one of its own unless told. */
  dataDir?: string;
}

export interface FleetProcess {
  pid: number;
  /** Where it listens: a worker does so only when `env` sets PORT. */
  url: string;
  dataDir: string;
  stdout(): string;
  stderr(): string;
  kill(signal: NodeJS.Signals): void;
  exited: Promise<Exit>;
  post(path: string, body: unknown, signal?: AbortSignal): Promise<Response>;
  get(path: string): Promise<Response>;
}

interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

interface FleetOptions {
  /** Default true. */
  withRedis?: boolean;
  models?: string[];
  /** Fields of the server's registration. */
  registration?: object;
  env?: Environment;
}

const COMMAND = fileURLToPath(new URL('../../bin/citadel.mjs', import.meta.url));
const READY = / is ready /;
const READY_WITHIN_MS = 60_000;
/** Of each output, the part that is kept. */
const OUTPUT_CHARS_MAX = 1_000_000;

export async function startFleet(options: FleetOptions = {}): Promise<CitadelFleet> {
  const { withRedis = true, models = ['sim-chat'], registration = {} } = options;
  const model = createDemoServer({ simModels: true, models: models.map((id) => ({ id })) });
  const [redis] = await Promise.all([withRedis ? startRedis() : null, model.start()]);
  const server = { id: 'sim', hostname: '127.0.0.1', port: model.port, models, ...registration };
  const processes: FleetProcess[] = [];

  return {
    redis,
    model,
    async start(command, { env, args = [], dataDir } = {}) {
      // A worker has no store of its own.
      const directory = dataDir ?? (command === 'worker' ? undefined : await newDataDirectory());
      const one = await spawnCitadel([command, ...args], {
        CITADEL_DISCOVER: 'off',
        CITADEL_SERVERS: JSON.stringify([server]),
        // A check that a busy machine answers late must not take the only server away for long.
        CITADEL_HEALTH_TIMEOUT_MS: '20000',
        CITADEL_HEALTH_INTERVAL_MS: '1000',
        ...(redis ? { REDIS_URL: redis.url } : {}),
        ...(directory === undefined ? {} : { CITADEL_DATA_DIR: directory }),
        ...options.env,
        ...env,
      });
      processes.push(one);
      await untilReady(one);
      return one;
    },
    async stop() {
      for (const one of processes) one.kill('SIGKILL');
      await Promise.all(processes.map(({ exited }) => exited));
      await Promise.all([model.stop(), redis?.stop()]);
      await Promise.all(processes.map(({ dataDir }) => rm(dataDir, { recursive: true, force: true })));
    },
  };
}

/** Runs `citadel <args>` with `env` alone as its environment. */
export async function spawnCitadel(args: readonly string[], env: Environment): Promise<FleetProcess> {
  const port = env.PORT ?? (args[0] === 'worker' ? '' : String(await freePort()));
  const dataDir = env.CITADEL_DATA_DIR ?? mkdtempSync(join(tmpdir(), 'citadel-test-'));
  const { PATH = '' } = process.env;
  const child = spawn(process.execPath, [...NODE_OPTIONS, COMMAND, ...args], {
    // Not the checkout: its citadel.yaml, if there is one, is not the test's.
    cwd: tmpdir(),
    env: { PATH, PORT: port, CITADEL_DATA_DIR: dataDir, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  if (child.pid === undefined) throw new Error('citadel did not start');
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      output[name] = (output[name] + text).slice(-OUTPUT_CHARS_MAX);
    });
  }
  const url = `http://127.0.0.1:${port}`;
  return {
    pid: child.pid,
    url,
    dataDir,
    stdout: () => output.stdout,
    stderr: () => output.stderr,
    kill: (signal) => child.kill(signal),
    // `close` comes after the last output.
    exited: new Promise((resolve) => child.once('close', (code, signal) => resolve({ code, signal }))),
    post: (path, body, signal) =>
      fetch(url + path, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
        signal,
      }),
    get: (path) => fetch(url + path),
  };
}

async function untilReady(one: FleetProcess): Promise<void> {
  let exit: Exit | undefined;
  one.exited.then((seen) => {
    exit = seen;
  });
  await waitFor(() => exit !== undefined || READY.test(one.stdout()), 'citadel is ready', READY_WITHIN_MS);
  if (exit) throw new Error(`citadel ended with ${exit.code ?? exit.signal} at its start:\n${one.stderr()}`);
}

/** Runs `body` with a fleet of its own, and kills what is left of it. */
export async function withFleet(
  options: FleetOptions,
  body: (fleet: CitadelFleet & { redis: TestRedis }) => Promise<void>,
): Promise<void> {
  const fleet = await startFleet(options);
  try {
    await body(fleet as CitadelFleet & { redis: TestRedis });
  } finally {
    await fleet.stop();
  }
}
