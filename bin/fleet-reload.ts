import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { AppError } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import type { ProcessReload, ReplyBus } from '../jobs/reply-bus.ts';
import type { ReloadResult } from './config-reload.ts';

interface FleetReloadResult extends ReloadResult {
  /** The other processes, as they have answered within a second. */
  others: ProcessReload[];
}

interface FleetReloadOptions {
  bus: ReplyBus;
  /** Reads this process's configuration again. Throws AppError. */
  reload(): ReloadResult;
  roles: string[];
  /** No other process shares its queues. */
  isAlone: boolean;
  logger: Logger;
}

export interface FleetReload {
  /** Has every process read its own file again. Throws AppError `invalid_request` when this one's is wrong, of which no
   *  other process is told, and `store_unavailable` when the others could not be told. */
  everywhere(): Promise<FleetReloadResult>;
  close(): void;
}

const ANSWERS_WITHIN_MS = 1_000;

export function createFleetReload({ bus, reload, roles, isAlone, logger }: FleetReloadOptions): FleetReload {
  const close = bus.subscribe((message) => {
    if (message.kind !== 'config-reload' || message.from === bus.inbox) return;
    const reloaded = { kind: 'config-reloaded', ask: message.ask, reload: reloadHere() } as const;
    // Who asked hears of one process less; what was read holds.
    bus.send(message.from, reloaded).catch(() => {});
  });
  return {
    async everywhere() {
      const here = reload();
      return { ...here, others: isAlone ? [] : await tellOthers(bus) };
    },
    close,
  };

  function reloadHere(): ProcessReload {
    const me = { host: hostname(), pid: process.pid, roles };
    try {
      return { ...me, ...reload(), problem: null };
    } catch (error) {
      logger.error('the configuration was not read again', { error: error as Error });
      const problem = error instanceof AppError ? error.message : 'Nothing was changed; its log says why.';
      return { ...me, changed: [], needsRestart: [], problem };
    }
  }
}

async function tellOthers(bus: ReplyBus): Promise<ProcessReload[]> {
  const ask = randomUUID();
  const others: ProcessReload[] = [];
  const unsubscribe = bus.subscribe((message) => {
    if (message.kind === 'config-reloaded' && message.ask === ask) others.push(message.reload);
  });
  try {
    await bus.broadcast({ kind: 'config-reload', from: bus.inbox, ask });
    await new Promise((resolve) => setTimeout(resolve, ANSWERS_WITHIN_MS));
    return others;
  } catch (error) {
    const message = 'This process has read its configuration again; the others could not be told. Ask again.';
    throw new AppError('store_unavailable', message, { cause: error, retryAfterSeconds: 5 });
  } finally {
    unsubscribe();
  }
}
