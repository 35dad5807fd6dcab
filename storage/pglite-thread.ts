// The thread that PGlite runs in. It takes statements in order and answers each; who may send when is the pool's
// affair. It goes below PGlite's `query`, which enters the database six times for one statement and plans it anew.
import { parentPort, workerData } from 'node:worker_threads';
import { PGlite } from '@electric-sql/pglite';
import { vector } from '@electric-sql/pglite-pgvector';
import type { FromThread, Statement, ThreadOptions, ToThread } from './pglite-messages.ts';
import { createWireSession } from './pglite-wire.ts';

const { directory } = workerData as ThreadOptions;

const db = await PGlite.create({
  dataDir: directory,
  // At hand for CREATE EXTENSION; until then it costs neither time nor memory (50 KB on disk).
  extensions: { vector },
  // The default of 128 MB costs about 100 MB of memory and gains nothing at our sizes.
  startParams: [...PGlite.defaultStartParams, '-c', 'shared_buffers=16MB'],
});

const session = createWireSession(
  // Not execProtocolRawSync: it keeps every message it has parsed.
  (message) => db.execProtocolStream(message, { syncToFs: false, throwOnError: false }),
  (channel, payload) => send({ kind: 'notification', channel, payload }),
);
let last = Promise.resolve();
parentPort?.on('message', (message: ToThread) => {
  // What it throws ends the thread, and with it the pool.
  last = last.then(() => (message.kind === 'run' ? runAll(message.statements) : close()));
});
send({ kind: 'ready' });

async function runAll(statements: Statement[]): Promise<void> {
  for (const statement of statements) send({ kind: 'answer', answer: await session.run(statement) });
}

async function close(): Promise<void> {
  await db.close();
  parentPort?.close();
}

function send(message: FromThread): void {
  parentPort?.postMessage(message);
}
