import { expect, test } from '@jest/globals';
import type { TokensOfDay } from '../../access/key-store.ts';
import { createTokenBudgets } from '../../access/token-budgets.ts';
import { newKeyRecord } from './key-record.ts';

const DAY = { tokens: 100, per: 'day' } as const;
const MONTH = { tokens: 100, per: 'month' } as const;

function setup(now: string, days: Omit<TokensOfDay, 'keyName'>[] = []) {
  const clock = { ms: Date.parse(now) };
  const ledger = { days, waiting: 0, isDown: false };
  const budgets = createTokenBudgets({
    store: {
      async tokensUsed(names, since) {
        return ledger.days
          .filter(({ day }) => day >= since)
          .map((day) => ({ ...day, keyName: names[0] ?? '' }));
      },
    },
    async flushLedger() {
      if (ledger.isDown) throw new Error('away');
      ledger.days = [
        ...ledger.days,
        { day: new Date(clock.ms).toISOString().slice(0, 10), tokens: ledger.waiting },
      ];
      ledger.waiting = 0;
    },
    now: () => clock.ms,
  });
  const use = (tokens: number) => {
    const { fits } = budgets.reserve('team', MONTH, tokens);
    if (!fits) return false;
    ledger.waiting += tokens;
    budgets.settle('team', tokens, tokens);
    return true;
  };
  return {
    budgets,
    clock,
    ledger,
    use,
    refresh: () => budgets.refresh([newKeyRecord({ tokenBudget: MONTH })]),
  };
}

test('a budget counts what the ledger has of its period, of UTC', async () => {
  const { budgets, clock, refresh } = setup('2026-03-02T23:59:59.000Z', [
    { day: '2026-02-28', tokens: 1_000 },
    { day: '2026-03-01', tokens: 60 },
    { day: '2026-03-02', tokens: 30 },
  ]);
  await refresh();

  expect(budgets.reserve('team', DAY, 71)).toEqual({ fits: false, resetMs: 1_000 });
  expect(budgets.reserve('team', MONTH, 11)).toMatchObject({ fits: false });
  expect(budgets.reserve('team', MONTH, 10)).toMatchObject({ fits: true });
  budgets.settle('team', 10, 0);

  clock.ms += 1_000;
  expect(budgets.reserve('team', DAY, 100)).toEqual({ fits: true, resetMs: 86_400_000 });
});

test('what is reserved counts until it is settled, and then what was used does', () => {
  const { budgets } = setup('2026-03-02T00:00:00.000Z');

  expect(budgets.reserve('team', DAY, 80)).toMatchObject({ fits: true });
  expect(budgets.reserve('team', DAY, 30)).toMatchObject({ fits: false });
  budgets.settle('team', 80, 20);

  expect(budgets.reserve('team', DAY, 80)).toMatchObject({ fits: true });
});

test('what was used is counted once, however often the ledger is read, also while it cannot be written', async () => {
  const { ledger, use, refresh } = setup('2026-03-02T12:00:00.000Z');
  expect(use(40)).toBe(true);
  ledger.isDown = true;
  await refresh();
  await refresh();
  expect(use(20)).toBe(true);
  ledger.isDown = false;
  await refresh();
  await refresh();

  expect(use(41)).toBe(false);
  expect(use(40)).toBe(true);
  expect(use(1)).toBe(false);
});
