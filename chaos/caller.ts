import { isDeepStrictEqual } from 'node:util';
import { CitadelError } from '../sdk/citadel-error.ts';
import type { Client } from '../sdk/client.ts';
import type { Outcome } from '../sdk/records.ts';
import { pauseMs } from './pause-ms.ts';
import type { Scenario } from './scenario.ts';

/** What one caller was told. */
export interface CallerReport {
  scenario: Scenario;
  /** Null when nobody has accepted the run. */
  runId: string | null;
  outcome: Outcome | null;
  /** Numbers of the events that it has read; null when it did not read them. */
  eventIds: number[] | null;
  /** What went wrong on its side. */
  trouble: string | null;
}

interface CallerDeps {
  /** One of each API process. */
  clients: readonly Client[];
  /** Its own number, which decides whom it asks first and what it does. */
  at: number;
  webhookUrl: string;
  /** Nothing more is asked then. */
  signal: AbortSignal;
}

const AGAIN_AFTER_MS = 300;

/** Starts the scenario's run and stays with it to its end. Whoever does not answer is left for another. */
export async function callScenario(scenario: Scenario, deps: CallerDeps): Promise<CallerReport> {
  const report: CallerReport = { scenario, runId: null, outcome: null, eventIds: null, trouble: null };
  try {
    const { definition, input, tag } = scenario;
    const options = {
      idempotencyKey: tag,
      tags: [tag],
      ...(hasWebhook(deps.at) ? { webhook: { url: deps.webhookUrl } } : {}),
    };
    const run = await persist(deps, (client) => client.runs.start(definition, input, options));
    report.runId = run.id;
    await steer(run.id, scenario, deps);
    if (deps.at % 2 === 0) report.eventIds = await readEvents(run.id, deps);
    report.outcome = await persist(deps, (client) =>
      client.runs.open(run.id).outcome({ signal: deps.signal }),
    );
  } catch (error) {
    report.trouble = (error as Error).message;
  }
  return report;
}

export const hasWebhook = (at: number) => at % 5 === 0;

/** Whether it has ended as it must. Who cancels may come too late. */
export function isRight({ expected, cancelAfterMs }: Scenario, outcome: Outcome): boolean {
  const { status, output, error } = outcome;
  if (status === 'cancelled') return cancelAfterMs !== null;
  if (status !== expected.status) return false;
  return expected.status === 'succeeded'
    ? isDeepStrictEqual(output, expected.output)
    : (error?.message.includes(expected.message) ?? false);
}

async function steer(runId: string, { signals, cancelAfterMs }: Scenario, deps: CallerDeps): Promise<void> {
  for (const { name, payload } of signals) {
    // A conflict: an earlier try has arrived, or the run has ended without it.
    await persist(deps, (client) => unlessConflict(client.runs.open(runId).signal(name, payload)));
  }
  if (cancelAfterMs === null) return;
  await pauseMs(cancelAfterMs, deps.signal);
  await persist(deps, (client) => unlessConflict(client.runs.open(runId).cancel()));
}

async function readEvents(runId: string, deps: CallerDeps): Promise<number[]> {
  const ids: number[] = [];
  await persist(deps, async (client) => {
    const events = client.runs.open(runId).events({ after: ids.at(-1) ?? 0, signal: deps.signal });
    for await (const { id } of events) if (id !== null) ids.push(id);
  });
  return ids;
}

/** Asks one after the other until somebody answers. */
async function persist<T>(
  { clients, at, signal }: CallerDeps,
  ask: (client: Client) => Promise<T>,
): Promise<T> {
  for (let tries = at; ; tries += 1) {
    const client = clients[tries % clients.length];
    if (!client) throw new Error('There is nobody to ask.');
    try {
      return await ask(client);
    } catch (error) {
      signal.throwIfAborted();
      if (!isPassing(error)) throw error;
      await pauseMs(AGAIN_AFTER_MS, signal);
      signal.throwIfAborted();
    }
  }
}

function isPassing(error: unknown): boolean {
  if (!(error instanceof CitadelError)) return false;
  const { status } = error;
  // 408: to a process that was frozen while it came in.
  return status === null || status === 408 || status === 429 || status >= 500;
}

async function unlessConflict(sent: Promise<void>): Promise<void> {
  try {
    await sent;
  } catch (error) {
    if (!(error instanceof CitadelError) || error.status !== 409) throw error;
  }
}
