import { expect, test } from '@jest/globals';
import type { QuotaWindows } from '../../access/quota-windows.ts';

const MINUTE_MS = 60_000;
let names = 0;

/** Quotas shared by processes. Each call of `open` gives what another process on the same store would have. */
export function quotaWindowsSuite(open: () => QuotaWindows): void {
  const setup = (units = 100) => {
    names += 1;
    return {
      windows: open(),
      name: `quota-${names}-${Math.random()}`,
      quota: { units, windowMs: MINUTE_MS },
    };
  };

  test('give what was asked for, and say what is left and until when', async () => {
    const { windows, name, quota } = setup();

    const first = await windows.take(name, quota, 30);
    const second = await windows.take(name, quota, 20);

    expect(first).toEqual({ granted: 30, left: 70, resetMs: expect.any(Number) });
    expect(second).toMatchObject({ granted: 20, left: 50 });
    expect(second.resetMs).toBeGreaterThan(MINUTE_MS - 5_000);
    expect(second.resetMs).toBeLessThanOrEqual(MINUTE_MS);
  });

  test('give the rest where more is asked for, and use up nothing by asking', async () => {
    const { windows, name, quota } = setup();

    expect(await windows.take(name, quota, 90)).toMatchObject({ granted: 90, left: 10 });
    expect(await windows.take(name, quota, 500)).toMatchObject({ granted: 10, left: 0 });
    expect(await windows.take(name, quota, 500)).toMatchObject({ granted: 0, left: 0 });
    await windows.giveBack(name, quota, 10);
    expect(await windows.take(name, quota, 10)).toMatchObject({ granted: 10, left: 0 });
  });

  test('charge beyond the quota what was used already', async () => {
    const { windows, name, quota } = setup();

    await windows.charge(name, quota, 130);
    expect(await windows.take(name, quota, 1)).toMatchObject({ granted: 0, left: 0 });
    await windows.giveBack(name, quota, 40);

    expect(await windows.take(name, quota, 50)).toMatchObject({ granted: 10 });
  });

  test('give no more than the quota, however many ask at once', async () => {
    const { windows, name, quota } = setup(1_000);

    const answers = await Promise.all(Array.from({ length: 300 }, () => windows.take(name, quota, 7)));

    const granted = answers.reduce((sum, answer) => sum + answer.granted, 0);
    expect(granted).toBe(1_000);
  });

  test('go on where the quota is changed', async () => {
    const { windows, name, quota } = setup();

    await windows.take(name, quota, 60);

    expect(await windows.take(name, { ...quota, units: 80 }, 30)).toMatchObject({ granted: 20 });
  });

  test('begin anew when the window is over', async () => {
    const { windows, name } = setup();
    const quota = { units: 5, windowMs: 1_000 };

    expect(await windows.take(name, quota, 5)).toMatchObject({ granted: 5 });
    const { resetMs } = await windows.take(name, quota, 5);
    await new Promise((resolve) => setTimeout(resolve, resetMs + 50));

    expect(await windows.take(name, quota, 5)).toMatchObject({ granted: 5 });
  });
}
