import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Browser } from 'playwright-core';
import { START_LIMIT_MS } from '../api/setup.ts';
import { chromiumService, openWatchedPage, startBrowser, type WatchedPage } from '../support/browser.ts';
import { chat, startTestCitadel, type TestCitadel } from '../support/citadel.ts';
import { describeWith } from '../support/services.ts';

const PROMPT = 'canary-prompt-9d41';

describeWith(chromiumService, 'bull-board in a browser', () => {
  let citadel: TestCitadel;
  let browser: Browser;
  let watched: WatchedPage;
  const leaving = new AbortController();

  beforeAll(async () => {
    // No worker: what is asked waits where the board shows it.
    [citadel, browser] = await Promise.all([
      startTestCitadel({ roles: { api: true, classes: [] } }),
      startBrowser(),
    ]);
    const { signal } = leaving;
    citadel.post('/v1/chat/completions', chat('sim-chat', PROMPT), { signal }).catch(() => {});
    watched = await openWatchedPage(browser);
  }, START_LIMIT_MS);
  afterAll(async () => {
    leaving.abort();
    await browser.close();
    await citadel.stop();
  });

  test('shows the queues and a waiting job, breaks no rule, and asks nobody else for anything', async () => {
    const { page, problems } = watched;
    await page.goto(`${citadel.url}/dashboard/queues`);
    await page.getByRole('link', { name: 'lightweight' }).first().waitFor();
    await page.goto(`${citadel.url}/dashboard/queues/queue/lightweight?status=prioritized`);
    await page
      .getByText(/job_[0-9a-f]/)
      .first()
      .click();
    await page.getByText('sim-chat').first().waitFor();

    expect(await page.locator('body').textContent()).not.toContain(PROMPT);
    expect(problems).toEqual([]);
  });
});
