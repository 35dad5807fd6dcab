import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { chown, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { freePort } from './free-port.ts';
import { type Account, newCluster } from './postgres-template.ts';
import type { Service } from './services.ts';
import { waitFor } from './wait-for.ts';

/** A real Postgres server of the test's own. */
export interface TestPostgres {
  url: string;
  pid(): number | undefined;
  /** Stops it in good order, and starts it again on the same port and data. After `kill` it only starts it. */
  restart(): Promise<void>;
  /** SIGKILL. */
  kill(): Promise<void>;
  stop(): Promise<void>;
}

const binaries = findBinaries();

export const postgresService: Service = {
  name: 'Postgres',
  isInstalled: binaries !== null,
  install: 'apt-get install postgresql',
};

/** Null where Postgres is not installed. */
export async function startPostgres(): Promise<TestPostgres | null> {
  if (binaries === null) return null;
  const account = findAccount();
  const directory = await mkdtemp(join(tmpdir(), 'citadel-postgres-'));
  if (account.uid !== undefined) await chown(directory, account.uid, account.gid ?? account.uid);
  const data = join(directory, 'data');
  await newCluster(join(binaries, 'initdb'), account, data);

  const port = await freePort();
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`;
  const place = ['-D', data, '-p', String(port), '-k', directory, '-c', 'listen_addresses=127.0.0.1'];
  const program = join(binaries, 'postgres');
  let server: ChildProcess | undefined;

  async function start(): Promise<void> {
    await waitFor(() => {
      // After a kill the first tries may fail: the dead server's children still hold its memory.
      if (!isRunning(server)) {
        server = spawn(program, [...place, '-F'], { ...account, cwd: directory, stdio: 'ignore' });
      }
      return answers(url);
    }, 'postgres answers');
  }

  await start();
  return {
    url,
    pid: () => server?.pid,
    async restart() {
      await end(server, 'SIGINT');
      await start();
    },
    async kill() {
      const { pid } = server ?? {};
      const backends = (await listProcesses()).filter(({ parent }) => parent === pid).map((one) => one.pid);
      await end(server, 'SIGKILL');
      // What they had been asked they would answer still.
      await waitFor(
        async () => !(await listProcesses()).some((one) => backends.includes(one.pid)),
        'their end',
      );
    },
    async stop() {
      await end(server, 'SIGINT');
      await rm(directory, { recursive: true, force: true });
    },
  };
}

function findBinaries(): string | null {
  const debian = '/usr/lib/postgresql';
  const versions = existsSync(debian) ? readdirSync(debian).sort((a, b) => Number(b) - Number(a)) : [];
  const places = [
    ...(process.env.PATH ?? '').split(delimiter),
    ...versions.map((version) => join(debian, version, 'bin')),
  ];
  const holdsBoth = (place: string) =>
    existsSync(join(place, 'initdb')) && existsSync(join(place, 'postgres'));
  return places.find(holdsBoth) ?? null;
}

// Postgres refuses to run as root.
function findAccount(): Account {
  if (process.getuid?.() !== 0) return {};
  const accounts = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'));
  const [, , uid, gid] =
    accounts.find(([name]) => name === 'postgres') ?? accounts.find(([name]) => name === 'nobody') ?? [];
  return { uid: Number(uid), gid: Number(gid) };
}

function isRunning(server: ChildProcess | undefined): server is ChildProcess {
  return server !== undefined && server.exitCode === null && server.signalCode === null;
}

async function end(server: ChildProcess | undefined, signal: NodeJS.Signals): Promise<void> {
  if (!isRunning(server)) return;
  const gone = new Promise((resolve) => server.once('exit', resolve));
  server.kill(signal);
  await gone;
}

/** All that run on this machine; those that are dead and not yet collected do not. */
async function listProcesses(): Promise<{ pid: number; parent: number }[]> {
  const { stdout } = await promisify(execFile)('ps', ['-A', '-o', 'pid=,ppid=,stat=']);
  const lines = stdout.matchAll(/^ *(\d+) +(\d+) +[^Z]/gm);
  return Array.from(lines, ([, pid, parent]) => ({ pid: Number(pid), parent: Number(parent) }));
}

async function answers(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 1_000 });
  client.on('error', () => {});
  try {
    await client.connect();
    await client.query('SELECT 1');
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => {});
  }
}
