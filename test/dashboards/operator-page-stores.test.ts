import { afterAll, beforeAll, expect, test } from '@jest/globals';
import pg from 'pg';
import type { Browser, Page } from 'playwright-core';
import { START_LIMIT_MS } from '../api/setup.ts';
import { chromiumService, openWatchedPage, startBrowser, type WatchedPage } from '../support/browser.ts';
import { chat, startTestCitadel, type TestCitadel } from '../support/citadel.ts';
import { postgresService, startPostgres, type TestPostgres } from '../support/postgres.ts';
import { redisService, startRedis, type TestRedis } from '../support/redis.ts';
import { describeWith } from '../support/services.ts';
import { waitFor } from '../support/wait-for.ts';

const services = {
  name: 'Chromium, Redis and Postgres',
  isInstalled: [chromiumService, redisService, postgresService].every(({ isInstalled }) => isInstalled),
  install: 'apt-get install chromium redis-server postgresql',
};
const JOBS = 10_000;
/** Whose callers wait: the list shows them too. */
const CALLED = ['sim-chat', 'sim:error-500'];
/** Of the page's own thread. A person notices more. */
const STALL_MS = 500;
const RECOVERY_MS = 30_000;
/** A hundred pages of the list, one after the other, where others use the machine too. */
const SCROLL_MS = 50_000;

const INSERT_JOBS = `
  INSERT INTO citadel.run (
    id, kind, workflow, definition_hash, status, weight, priority, tags, metadata, input, tokens, revision, last_seq,
    depth, created_at, ended_at
  )
  SELECT 'job_' || lpad(n::text, 24, '0'), 'job', 'chat', '', 'succeeded', 1, 'normal', '{}',
    '{"class":"lightweight","model":"sim-chat","position":1,"metadata":null}', '{}', 7, 1, 1,
    0, now() - n * interval '1 s', now()
  FROM generate_series(1, ${JOBS}) AS n`;

const WATCH_STALLS = `
  window.longest = 0;
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) window.longest = Math.max(window.longest, duration);
  }).observe({ type: 'longtask' });`;

describeWith(services, 'the operator page on Redis and Postgres', () => {
  let postgres: TestPostgres;
  let redis: TestRedis;
  let citadel: TestCitadel;
  let browser: Browser;
  let watched: WatchedPage;
  let page: Page;
  let stopCitadel: () => Promise<void> = async () => {};

  beforeAll(async () => {
    const [database, queue, chromium] = await Promise.all([startPostgres(), startRedis(), startBrowser()]);
    if (!database) throw new Error('Postgres is not installed.');
    [postgres, redis, browser] = [database, queue, chromium];
    citadel = await startTestCitadel({
      env: { DATABASE_URL: postgres.url, REDIS_URL: redis.url },
      models: CALLED,
    });
    stopCitadel = citadel.stop;
    const client = new pg.Client({ connectionString: postgres.url });
    await client.connect();
    await client.query(INSERT_JOBS);
    await client.end();
    watched = await openWatchedPage(browser, { viewport: { width: 1100, height: 800 } });
    page = watched.page;
    await page.addInitScript(WATCH_STALLS);
    await page.goto(`${citadel.url}/dashboard`);
  }, START_LIMIT_MS);
  afterAll(async () => {
    await browser.close();
    await stopCitadel();
    await Promise.all([postgres.stop(), redis.stop()]);
  });

  const banner = (text: string) => page.locator('.banner', { hasText: text });

  test('opens without a key where Citadel has none', async () => {
    await page.locator('#totals').waitFor();

    expect(await page.getByRole('button', { name: 'Sign out' }).count()).toBe(0);
    expect(await banner('').count()).toBe(0);
  });

  test('sums up the ledger of a Postgres server', async () => {
    for (const model of CALLED) {
      await (await citadel.post('/v1/chat/completions', chat(model))).text();
    }
    await page.locator('[data-server=sim] .facts', { hasText: /2\s*1 failed/ }).waitFor();
    await page.locator('#error-rate', { hasText: '50 %' }).waitFor();

    expect(await page.locator('[data-server=sim] .last-failure').textContent()).toContain('sim:error-500');
  });

  test(`lists ${JOBS} jobs, and the calls before them, without a stall`, async () => {
    await page.goto(`${citadel.url}/dashboard#/jobs`);
    const list = page.locator('.list-body');
    await page.locator('.list-row a').first().waitFor();
    await waitFor(
      async () => {
        await list.evaluate((element: unknown) => {
          const body = element as { scrollTop: number; scrollHeight: number };
          body.scrollTop = body.scrollHeight;
        });
        return await page.locator(`a[href$="${String(JOBS).padStart(24, '0')}"]`).isVisible();
      },
      'the last of them',
      SCROLL_MS,
    );

    expect(await page.locator('h1 small').textContent()).toBe((JOBS + CALLED.length).toLocaleString('en'));
    expect(await page.locator('.list-row a').count()).toBeLessThan(100);
    expect(await page.evaluate('window.longest')).toBeLessThan(STALL_MS);
  });

  test.each([
    ['the database', 'The database is out of reach', () => postgres],
    ['the queue’s store', 'The queue’s store is out of reach', () => redis],
  ])(
    'says that %s is down, and recovers by itself',
    async (_, text, store) => {
      await store().kill();
      await banner(text).waitFor({ timeout: RECOVERY_MS });
      await store().restart();
      await banner(text).waitFor({ state: 'detached', timeout: RECOVERY_MS });
      await page.goto(`${citadel.url}/dashboard#/keys`);
      await page.goto(`${citadel.url}/dashboard#/jobs`);
      await page.locator('.list-row a').first().waitFor({ timeout: RECOVERY_MS });

      expect(watched.problems).toEqual([]);
    },
    3 * RECOVERY_MS,
  );

  test('says that Citadel itself is away', async () => {
    await stopCitadel();
    stopCitadel = async () => {};
    await banner('No connection to Citadel').waitFor();
  });
});
