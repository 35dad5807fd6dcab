import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { FailPoint } from '../../core/fail-point.ts';
import type { SqlPool } from '../../core/sql-pool.ts';
import { createDemoServer } from '../../servers/demo/demo-server.ts';
import { createPgvectorStore } from '../../storage/pgvector-store.ts';
import { NODE_OPTIONS } from '../support/node-options.ts';
import { waitFor } from '../support/wait-for.ts';

const HOST = fileURLToPath(new URL('../support/ingest-host.ts', import.meta.url));
const MODEL = 'sim-embed';
const START_LIMIT_MS = 60_000;

/** A Citadel that ingests, killed at one boundary after the other and started again each time. */
export async function ingestKillBundle(dataDir: string, env: Record<string, string>) {
  const model = createDemoServer({ simModels: true, models: [{ id: MODEL }] });
  await model.start();
  const servers = [{ id: 'sim', hostname: '127.0.0.1', port: model.port, models: [MODEL] }];
  let child: ChildProcess | undefined;
  let base = '';
  let output = '';

  async function start(): Promise<void> {
    const { PATH = '', NODE_COMPILE_CACHE = '' } = process.env;
    const one = spawn(process.execPath, [...NODE_OPTIONS, HOST, dataDir], {
      env: {
        PATH,
        NODE_COMPILE_CACHE,
        CITADEL_SERVERS: JSON.stringify(servers),
        CITADEL_DISCOVER: 'off',
        ...env,
      },
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    child = one;
    output = '';
    one.stdout?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    const hasEnded = () => one.exitCode !== null || one.signalCode !== null;
    await waitFor(() => /port (\d+)/.test(output) || hasEnded(), 'it starts', START_LIMIT_MS);
    base = `http://127.0.0.1:${/port (\d+)/.exec(output)?.[1]}/api/v1/rag`;
  }

  return {
    model: MODEL,
    start,
    /** From now on it kills itself at the boundary. */
    async arm(boundary: FailPoint): Promise<void> {
      child?.stdin?.write(`${boundary}\n`);
      await waitFor(() => output.includes(`armed ${boundary}`), 'it is armed', START_LIMIT_MS);
    },
    /** Gives the answer, or null where the process ended before it. */
    async call(method: string, path: string, body?: object): Promise<Record<string, unknown> | null> {
      try {
        const response = await fetch(base + path, {
          method,
          headers: { 'content-type': 'application/json' },
          ...(body ? { body: JSON.stringify(body) } : {}),
        });
        return (await response.json()) as Record<string, unknown>;
      } catch {
        return null;
      }
    },
    /** Until nothing is on its way. */
    async untilIdle(collection: string): Promise<void> {
      await waitFor(
        async () => {
          const list = await this.call('GET', `/collections/${collection}/documents?limit=100`);
          const documents = (list?.data ?? []) as { status: string }[];
          return list !== null && documents.every(({ status }) => status !== 'in_progress');
        },
        'nothing is on its way',
        START_LIMIT_MS,
      );
    },
    async untilKilled(): Promise<void> {
      await waitFor(
        () => child?.signalCode !== null || child.exitCode !== null,
        'it is at the boundary',
        START_LIMIT_MS,
      );
      if (child?.signalCode !== 'SIGKILL') throw new Error(`it ended with ${child?.exitCode}`);
    },
    async kill(): Promise<void> {
      if (!child || child.signalCode !== null || child.exitCode !== null) return;
      const gone = new Promise((resolve) => child?.once('close', resolve));
      child.kill('SIGKILL');
      await gone;
    },
    /** Texts that the embedding server was asked for, one for each time. */
    paid(): string[] {
      // A call that was cut off has no body.
      const calls = model.requests.filter(({ path, body }) => path === '/v1/embeddings' && body !== '');
      return calls.flatMap(({ body }) => (JSON.parse(body) as { input: string[] }).input);
    },
    stop: () => model.stop(),
  };
}

const CHUNKS = `
  SELECT document.external_id || ': ' || chunk.text AS line, chunk.point_id, chunk.version_id
  FROM citadel.chunk JOIN citadel.document ON document.id = chunk.document_id
  ORDER BY document.external_id, chunk.ordinal`;

/** Every chunk there is, and whether the index holds their points and no others. */
export async function whatIsThere(pool: SqlPool) {
  const { rows } = await pool.query<{ line: string; point_id: string; version_id: string }>(CHUNKS);
  const vectors = await createPgvectorStore(pool);
  const [first] = rows;
  const indexed = await vectors.ids({ id: first?.version_id ?? '', dimensions: null }, null, 10_000);
  const points = rows.map(({ point_id: id }) => id);
  return {
    lines: rows.map(({ line }) => line),
    isIndexed: JSON.stringify([...indexed].sort()) === JSON.stringify([...points].sort()),
  };
}
