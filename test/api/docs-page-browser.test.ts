import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { lowContrasts, unnamedFields } from '../support/accessibility.ts';
import { chromiumService, openWatchedPage, startBrowser, type WatchedPage } from '../support/browser.ts';
import { startTestCitadel, type TestCitadel } from '../support/citadel.ts';
import { describeWith } from '../support/services.ts';
import { START_LIMIT_MS } from './setup.ts';

const KEY = 'the-key-of-an-admin-1';
const SLOW_CHAT = 'sim:token=30+tokens=60';

describeWith(chromiumService, '/docs in a browser', () => {
  let citadel: TestCitadel;
  let browser: Browser;
  let watched: WatchedPage;
  let page: Page;

  beforeAll(async () => {
    [citadel, browser] = await Promise.all([
      startTestCitadel({ env: { CITADEL_API_KEYS: `one:admin:${KEY}` }, models: ['sim-chat', SLOW_CHAT] }),
      startBrowser(),
    ]);
    watched = await openWatchedPage(browser);
    page = watched.page;
    await page.goto(`${citadel.url}/docs`);
    await page.locator('details.operation').first().waitFor();
  }, START_LIMIT_MS);
  afterAll(async () => {
    await browser.close();
    await citadel.stop();
  });

  /** Opens a route by its name, as somebody with a keyboard does. */
  async function open(operationId: string) {
    const operation = page.locator(`#${operationId}`);
    await operation.locator('summary').first().focus();
    await page.keyboard.press('Enter');
    const answer = operation.locator('form pre');
    return { operation, answer, send: operation.getByRole('button', { name: 'Send' }) };
  }

  test('lists every route of /openapi.json, in its words', async () => {
    const { paths } = (await (await citadel.get('/openapi.json')).json()) as {
      paths: Record<string, Record<string, unknown>>;
    };
    const described = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    const methods = await page.locator('.operation > summary .method').allTextContents();
    const shown = await page.locator('.operation > summary .path').allTextContents();

    expect(shown.map((path, index) => `${methods[index]} ${path}`).sort()).toEqual(described.sort());
  });

  test('finds routes by a word', async () => {
    await page.getByLabel('Show').fill('/rag/search');

    expect(await page.locator('.operation:visible .path').allTextContents()).toEqual(['/api/v1/rag/search']);
    await page.getByLabel('Show').fill('');
  });

  test('sends a real call, and shows what Citadel answers to it, with a key and without', async () => {
    const { answer, send } = await open('listModels');
    await send.click();
    await answer.filter({ hasText: 'invalid_api_key' }).waitFor();
    await page.getByLabel('API key').fill(KEY);
    await send.click();
    await answer.filter({ hasText: '"object": "list"' }).waitFor();
    const text = (await answer.textContent()) ?? '';
    const body = text.slice(text.indexOf('{'), text.lastIndexOf('}') + 1);

    expect(text).toMatch(/^200 OK\n/);
    expect(JSON.parse(body)).toEqual(
      await (await citadel.get('/v1/models', { authorization: `Bearer ${KEY}` })).json(),
    );
  });

  test('shows a stream as it comes, and stops it', async () => {
    const { operation, answer, send } = await open('createChatCompletion');
    const body = { model: SLOW_CHAT, stream: true, messages: [{ role: 'user', content: '<b>Hello</b>' }] };
    await operation.getByLabel('Body (application/json)').fill(JSON.stringify(body));
    await send.click();
    await answer.filter({ hasText: 'data: {' }).waitFor();
    await operation.getByRole('button', { name: 'Stop' }).click();
    await answer.filter({ hasText: 'Stopped.' }).waitFor();

    expect(await answer.textContent()).toContain('x-citadel-job-id: job_');
    expect(await answer.textContent()).not.toContain('[DONE]');
    expect(citadel.model.calls()).toHaveLength(1);
  });

  test.each(['light', 'dark'] as const)(
    'every text can be read in the %s, and every field has a name',
    async (colorScheme) => {
      await page.emulateMedia({ colorScheme });

      expect(await lowContrasts(page)).toEqual([]);
      expect(await unnamedFields(page)).toEqual([]);
    },
  );

  test('fits a phone, and has broken no rule in all of this', async () => {
    await page.setViewportSize({ width: 390, height: 800 });

    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(390);
    expect(watched.problems).toEqual([]);
  });
});
