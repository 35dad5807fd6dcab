import type { RequestHandler } from 'express';
import type { HealthDeps } from '../api/health-report.ts';
import { openEventStream } from '../api/replies/event-stream.ts';
import { readClusterHealth } from '../api/routes/cluster-health.ts';
import type { Logger } from '../core/logger.ts';
import { MODEL_CLASSES, type ModelClass } from '../core/schemas/model-class.ts';
import type { Admission } from '../jobs/admission.ts';
import type { Registry } from '../servers/registry.ts';
import type { ActivityStore, ServerActivity } from './activity-store.ts';
import { createSharedRead } from './shared-read.ts';

export interface OverviewDeps extends HealthDeps {
  activity: ActivityStore;
  admission: Pick<Admission, 'line'>;
  isLeaving(): boolean;
  logger: Logger;
}

const TICK_MS = 1_000;
const RATES_MS = 2_000;
const HISTORY_MS = 5_000;
const SERVERS_MS = 5_000;

/**
 * GET /dashboard/api/overview: an event stream. `health` each second is what `/health/enterprise` answers, with who
 * waits longest and what is loaded; `rates`, `history` and `servers` come when they have been read anew.
 */
export function overviewFeed(
  deps: OverviewDeps,
  mayGoOn: (req: Parameters<RequestHandler>[0]) => boolean,
): RequestHandler {
  const { activity, logger } = deps;
  const every = (everyMs: number) => ({ everyMs, now: () => performance.now(), logger });
  const health = createSharedRead(() => readHealth(deps), every(TICK_MS));
  const parts = {
    rates: createSharedRead(() => activity.rates(), every(RATES_MS)),
    history: createSharedRead(() => activity.history(), every(HISTORY_MS)),
    servers: createSharedRead(async () => (await activity.servers()).map(toServerView), every(SERVERS_MS)),
  };

  return (req, res) => {
    const sent = new Map<string, object | null>();
    const timer = setInterval(tick, TICK_MS / 4);
    const stream = openEventStream(res, () => clearInterval(timer));
    tick();

    function tick(): void {
      if (deps.isLeaving() || !mayGoOn(req)) {
        stream.end();
        clearInterval(timer);
        return;
      }
      // Whoever does not read is told the newest once it does.
      if (res.writableNeedDrain) return;
      for (const [type, part] of Object.entries({ health, ...parts })) {
        const value = part.look();
        if (value === null || sent.get(type) === value) continue;
        sent.set(type, value);
        stream.send({ type, data: Array.isArray(value) ? { data: value } : value });
      }
    }
  };
}

async function readHealth(deps: OverviewDeps) {
  const report = await readClusterHealth(deps);
  const oldest = await Promise.all(
    MODEL_CLASSES.map(
      async (name) => [name, await longestWaitMs(deps, name, report.queues[name].waiting)] as const,
    ),
  );
  return {
    ...report,
    oldest_wait_ms: Object.fromEntries(oldest),
    loaded: Object.fromEntries(
      deps.registry.servers().map((server) => [server.address.id, loadedOn(server)]),
    ),
    models: deps.registry.models().length,
  };
}

/** Of those that this process has added, or that are next in the queue of all. */
async function longestWaitMs({ admission, queues }: OverviewDeps, name: ModelClass, waiting: number | null) {
  const ownMs = admission.line(name).oldestMs();
  if (!waiting) return Math.round(ownMs);
  const addedAtMs = await queues
    .queue(name)
    .nextAddedAtMs()
    .catch(() => null);
  return Math.round(addedAtMs === null ? ownMs : Math.max(ownMs, Date.now() - addedAtMs));
}

function loadedOn({ models }: ReturnType<Registry['servers']>[number]): string[] {
  return [...models.values()].filter(({ loaded }) => loaded === true).map(({ id }) => id);
}

function toServerView({ server, requests, failed, p50Ms, p99Ms, lastFailures }: ServerActivity) {
  return { server, requests, failed, p50_ms: p50Ms, p99_ms: p99Ms, last_failures: lastFailures };
}
