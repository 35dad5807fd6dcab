import type { RunId } from '../../core/ids.ts';
import type { Json } from '../../core/json-value.ts';
import type { RunOptions, RunResult, Runs } from '../../workflows/runs.ts';
import { startTestCitadel } from '../support/citadel.ts';
import { waitFor } from '../support/wait-for.ts';

export const MODEL = 'sim-chat';
export const SLOW = 'sim:token=20+tokens=500';
const RESULT_LIMIT_MS = 20_000;

type Started = Awaited<ReturnType<typeof setupRuns>>;
export type RunBundle = Started;

/** Citadel in this process with its runs at hand, in front of a simulated server. */
export async function setupRuns(options: Parameters<typeof startTestCitadel>[0] = {}) {
  const citadel = await startTestCitadel({
    models: [MODEL, SLOW, 'sim:bad-request', 'sim-embed'],
    ...options,
  });
  const { work } = citadel.process;
  if (!work) throw new Error('this process takes no work');
  const { runs, definitions } = work;
  return { citadel, definitions, runs, ...helpersFor(runs), stop: () => citadel.stop() };
}

export function helpersFor(runs: Runs) {
  async function start(
    definition: object,
    input: Json = {},
    terms: Partial<RunOptions> = {},
  ): Promise<RunId> {
    const { run } = await runs.start({
      workflow: { definition: { name: 'test', ...definition } },
      input,
      keyName: null,
      ...terms,
    });
    return run.id;
  }

  async function finish(id: RunId): Promise<RunResult> {
    const result = await runs.result(id, RESULT_LIMIT_MS);
    if (!result.ended) throw new Error(`the run did not end, it is ${result.status}`);
    return result;
  }

  return {
    start,
    finish,
    run: async (definition: object, input: Json = {}) => await finish(await start(definition, input)),
    /** Resolves when the step has this status. */
    async untilStep(id: RunId, key: string, status: string): Promise<void> {
      await waitFor(async () => {
        const step = (await runs.get(id))?.steps.find((one) => one.key === key);
        return step?.status === status;
      }, `${key} is ${status}`);
    },
    async eventsOf(id: RunId): Promise<string[]> {
      const events = await runs.events(id, 0, 10_000);
      return events.map(({ type, key }) => (key === null ? type : `${type} ${key}`));
    },
  };
}

export const ask = (content: string, model = MODEL) => ({
  type: 'chat',
  model,
  messages: [{ role: 'user', content }],
});
