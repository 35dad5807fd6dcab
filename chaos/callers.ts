import { createClient } from '../sdk/client.ts';
import { type CallerReport, callScenario } from './caller.ts';
import { pauseMs } from './pause-ms.ts';
import type { Scenario } from './scenario.ts';

export interface CallersOptions {
  /** Of the API processes. */
  urls: readonly string[];
  webhookUrl: string;
  /** At once. */
  callers: number;
  /** The next scenario; null when there are enough. */
  next(at: number): Scenario | null;
  /** What has not come to its end then is given up. */
  signal: AbortSignal;
}

/** Callers who start one run after the other and stay with each. The reports are in the order of the scenarios. */
export async function callAll({
  urls,
  webhookUrl,
  callers,
  next,
  signal,
}: CallersOptions): Promise<CallerReport[]> {
  const clients = urls.map((baseUrl) => createClient({ baseUrl, retriesMax: 0, timeoutMs: 45_000 }));
  const reports: CallerReport[] = [];
  let made = 0;

  async function call(): Promise<void> {
    while (!signal.aborted) {
      const at = made;
      const scenario = next(at);
      if (scenario === null) return;
      made += 1;
      reports[at] = await callScenario(scenario, { clients, at, webhookUrl, signal });
      await pauseMs(0);
    }
  }

  await Promise.all(Array.from({ length: callers }, call));
  return reports;
}
