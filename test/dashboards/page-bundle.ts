import type { Browser, Page } from 'playwright-core';
import { openWatchedPage, startBrowser, type WatchedPage } from '../support/browser.ts';
import { startTestCitadel, type TestCitadel } from '../support/citadel.ts';

export const ADMIN_KEY = 'sk-root-0123456789abcdef';
export const AUTH = { authorization: `Bearer ${ADMIN_KEY}` };

/** A Citadel with one admin's key, the operator page of it in a browser, and the API beside it. */
export interface PageBundle {
  citadel: TestCitadel;
  watched: WatchedPage;
  page: Page;
  /** Opens a view, such as `jobs/job_1`. */
  open(hash: string): Promise<unknown>;
  signIn(): Promise<void>;
  // biome-ignore lint/suspicious/noExplicitAny: what the API answers
  read(path: string): Promise<any>;
  // biome-ignore lint/suspicious/noExplicitAny: what the API answers
  post(path: string, body: unknown): Promise<any>;
  textOf(selector: string): Promise<string>;
  /** Waits until an element of the selector has the text. */
  becomes(selector: string, text: string | RegExp): Promise<void>;
  stop(): Promise<void>;
}

export async function openOperatorPage(options: {
  models: string[];
  env?: Record<string, string>;
}): Promise<PageBundle> {
  const env = { CITADEL_API_KEYS: `root:admin:${ADMIN_KEY}`, ...options.env };
  const started: [TestCitadel, Browser] = await Promise.all([
    startTestCitadel({ models: options.models, env }),
    startBrowser(),
  ]);
  const [citadel, browser] = started;
  const watched = await openWatchedPage(browser, { viewport: { width: 1100, height: 800 } });
  const { page } = watched;
  await page.goto(`${citadel.url}/dashboard`);
  return {
    citadel,
    watched,
    page,
    open: (hash) => page.goto(`${citadel.url}/dashboard#/${hash}`),
    async signIn() {
      await page.getByLabel('Admin key').fill(ADMIN_KEY);
      await page.keyboard.press('Enter');
      await page.locator('#totals').waitFor();
    },
    read: async (path) => (await citadel.get(path, AUTH)).json(),
    post: async (path, body) => (await citadel.post(path, body, { headers: AUTH })).json(),
    textOf: async (selector) => (await page.locator(selector).textContent()) ?? '',
    becomes: (selector, text) => page.locator(selector).filter({ hasText: text }).first().waitFor(),
    async stop() {
      await browser.close();
      await citadel.stop();
    },
  };
}
