import { afterEach, describe, expect, test } from '@jest/globals';
import { newJobId, newRequestId } from '../../core/ids.ts';
import { createLogger } from '../../core/logger.ts';
import { createLedger, type Ledger } from '../../jobs/ledger.ts';
import type { LedgerEntry, LedgerStore } from '../../jobs/ledger-store.ts';
import { waitFor } from '../support/wait-for.ts';

const ledgers: Ledger[] = [];

afterEach(async () => {
  await Promise.all(ledgers.splice(0).map((ledger) => ledger.close()));
});

const NEVER_MS = 60_000;

interface Options {
  intervalMs?: number;
  batchMax?: number;
  entriesMax?: number;
}

function setup({ intervalMs = NEVER_MS, ...options }: Options = {}) {
  const batches: LedgerEntry[][] = [];
  const lines: { level: string; message: string; rows?: number }[] = [];
  const state = { away: false, tries: 0, whileWriting: () => {} };
  const store: LedgerStore = {
    async append(entries) {
      state.tries++;
      state.whileWriting();
      await new Promise((resolve) => setImmediate(resolve));
      if (state.away) throw new Error('the store is away');
      batches.push([...entries]);
    },
  };
  const logger = createLogger({
    level: 'info',
    pretty: false,
    destination: { write: (line) => void lines.push(JSON.parse(line)) },
  });
  const ledger = createLedger({ store, logger, intervalMs, ...options });
  ledgers.push(ledger);
  return {
    ledger,
    state,
    batches,
    rows: () => batches.flat(),
    log: () => lines.map(({ level, message, rows }) => ({ level, message, rows })),
    record(count: number) {
      const entries = Array.from({ length: count }, entryOf);
      for (const entry of entries) ledger.record(entry, { priority: 'normal' });
      return entries;
    },
  };
}

function entryOf(): LedgerEntry {
  return {
    jobId: newJobId(),
    requestId: newRequestId(),
    keyName: null,
    endpoint: 'chat/completions',
    model: 'm',
    modelClass: 'lightweight',
    server: 'a',
    attempts: 1,
    queuedMs: 1,
    firstTokenMs: 2,
    totalMs: 3,
    promptTokens: 4,
    completionTokens: 5,
    chargedTokens: 0,
    outcome: 'succeeded',
    errorCode: null,
    isWaited: true,
    createdAt: new Date(0),
  };
}

describe('the ledger', () => {
  test('writes by itself what was recorded', async () => {
    const { record, ledger, rows, state } = setup({ intervalMs: 1 });
    const entries = record(3);

    await waitFor(() => ledger.pending() === 0, 'an empty ledger');

    expect(rows()).toEqual(entries);
    expect(state.tries).toBe(1);
  });

  test('writes in batches, in order', async () => {
    const { record, ledger, batches } = setup({ batchMax: 2 });
    const [a, b, c, d, e] = record(5);

    await ledger.flush();

    expect(batches).toEqual([[a, b], [c, d], [e]]);
  });

  test('asks nothing of the store while there is nothing to write', async () => {
    const { ledger, state } = setup();

    await ledger.flush();

    expect(state.tries).toBe(0);
  });

  test('writes each row once, those that come during a write and those of two flushes too', async () => {
    const { record, ledger, rows, state } = setup({ batchMax: 2 });
    const entries = record(3);
    state.whileWriting = () => {
      if (entries.length < 6) entries.push(...record(1));
    };

    await Promise.all([ledger.flush(), ledger.flush()]);

    expect(rows()).toEqual(entries);
    expect(entries).toHaveLength(6);
    expect(ledger.pending()).toBe(0);
  });
});

describe('a store that is away', () => {
  test('costs no row: they are kept, and written once it is back', async () => {
    const { record, ledger, rows, state, log } = setup({ intervalMs: 1 });
    state.away = true;
    const entries = record(2);
    await waitFor(() => state.tries >= 3, 'tries');
    expect(ledger.pending()).toBe(2);

    entries.push(...record(1));
    state.away = false;
    await waitFor(() => ledger.pending() === 0, 'an empty ledger');

    expect(rows()).toEqual(entries);
    expect(log()).toEqual([{ level: 'warn', message: 'the ledger cannot be written; its rows are kept' }]);
  });

  test('is told of by flush', async () => {
    const { record, ledger, state } = setup();
    state.away = true;
    record(1);

    await expect(ledger.flush()).rejects.toThrow('the store is away');

    expect(ledger.pending()).toBe(1);
    state.away = false;
    await ledger.flush();
    expect(ledger.pending()).toBe(0);
  });

  test('costs the oldest rows when too many wait, and the log says how many', async () => {
    const { record, ledger, rows, state, log } = setup({ intervalMs: 1, entriesMax: 3 });
    state.away = true;
    const entries = record(5);
    expect(ledger.pending()).toBe(3);
    await waitFor(() => state.tries > 0, 'a try');

    state.away = false;
    await waitFor(() => log().some(({ level }) => level === 'error'), 'the count in the log');

    expect(rows()).toEqual(entries.slice(2));
    expect(log().filter(({ level }) => level === 'error')).toEqual([
      { level: 'error', message: 'ledger rows were given up while the store was away', rows: 2 },
    ]);
  });
});

describe('closing the ledger', () => {
  test('writes what waits, once, however often it is closed', async () => {
    const { record, ledger, batches } = setup();
    const entries = record(2);

    await Promise.all([ledger.close(), ledger.close()]);
    await ledger.close();

    expect(batches).toEqual([entries]);
  });

  test('tries once more after a write that failed', async () => {
    const { record, ledger, rows, state } = setup();
    const entries = record(1);
    state.whileWriting = () => {
      state.away = state.tries === 1;
    };
    const failed = ledger.flush();
    const closed = ledger.close();

    await expect(failed).rejects.toThrow('the store is away');
    await closed;

    expect(rows()).toEqual(entries);
  });

  test('ends though the store is away, and the log counts every row that was lost', async () => {
    const { record, ledger, state, log } = setup({ entriesMax: 3 });
    state.away = true;
    record(5);

    await ledger.close();

    expect(log()).toEqual([
      { level: 'error', message: 'ledger rows were lost at shutdown', rows: 3 },
      { level: 'error', message: 'ledger rows were given up while the store was away', rows: 2 },
    ]);
  });

  test('leaves nothing that writes later', async () => {
    const { record, ledger, state } = setup({ intervalMs: 1 });
    state.away = true;
    record(1);
    await ledger.close();
    const { tries } = state;

    // Nothing is to happen, which no condition tells: twenty intervals, in any of which it would have written.
    await new Promise((resolve) => setTimeout(resolve, 20));

    expect(state.tries).toBe(tries);
  });
});
