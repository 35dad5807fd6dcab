import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Page } from 'playwright-core';
import { createDemoServer } from '../../servers/demo/demo-server.ts';
import { START_LIMIT_MS } from '../api/setup.ts';
import { lowContrasts, readFocus, unnamedFields } from '../support/accessibility.ts';
import { chromiumService } from '../support/browser.ts';
import { chat, type TestCitadel } from '../support/citadel.ts';
import { describeWith } from '../support/services.ts';
import { AUTH, openOperatorPage, type PageBundle } from './page-bundle.ts';

const VIEWS = ['overview', 'jobs', 'runs', 'documents', 'documents/handbook', 'playground', 'keys'];
const ENDLESS_CHAT = 'sim:token=1000+tokens=100';
const TABS_MAX = 60;
const RECOVERY_MS = 40_000;

interface ServerFacts {
  server: string;
  p50_ms: number;
  p99_ms: number;
}

/** What the overview's stream says first of `event`. */
async function readFeed(url: string, event: string): Promise<{ data: ServerFacts[] }> {
  const response = await fetch(url, { headers: AUTH });
  let text = '';
  for await (const part of response.body ?? []) {
    text += Buffer.from(part).toString();
    const [, data] = new RegExp(`event: ${event}\ndata: (.*)\n`).exec(text) ?? [];
    if (data !== undefined) return JSON.parse(data);
  }
  throw new Error(`The stream ended without ${event}.`);
}

describeWith(chromiumService, 'documents, keys and queues on the operator page', () => {
  let bundle: PageBundle;
  let citadel: TestCitadel;
  let page: Page;

  beforeAll(async () => {
    bundle = await openOperatorPage({ models: ['sim-chat', 'sim-embed', ENDLESS_CHAT] });
    ({ citadel, page } = bundle);
    await bundle.signIn();
  }, START_LIMIT_MS);
  const stops: (() => Promise<void>)[] = [];
  afterAll(async () => {
    await bundle.stop();
    await Promise.all(stops.map((stop) => stop()));
  });

  const press = (name: string) => page.getByRole('button', { name, exact: true }).click();
  const cellsOf = async (row: string) =>
    (await page.locator(`${row} td`).allTextContents()).map((text) => text.trim());

  test(
    'an ingest says what it waits for, goes on, and ends with the numbers of the API',
    async () => {
      await bundle.post('/api/v1/rag/collections', { name: 'handbook', embedding_model: 'sim-embed' });
      citadel.model.setFault('error-503');
      await bundle.open('documents/handbook');
      await page.getByLabel('title').fill('servers');
      await page.getByLabel('Text', { exact: true }).fill('Adding servers is easy. Removing one is, too.');
      await press('Take in');
      await bundle.becomes('#ingest', '0 of 1 taken in');
      await bundle.becomes('#ingest .items', 'waits for embedder_down');
      citadel.model.setFault(undefined);
      await page.locator('#ingest', { hasText: '1 of 1 taken in' }).waitFor({ timeout: RECOVERY_MS });
      await bundle.becomes('#ingest .items', '1 / 1 chunks');
      await bundle.becomes('#counts', '1 documents, 1 chunks, sim-embed');
      await page.getByLabel('Query').fill('server');
      await page.keyboard.press('Enter');
      await page.locator('#hits .score').first().waitFor();
      const body = { collection: 'handbook', query: 'server', mode: 'auto', top_k: 10 };
      const { data } = await bundle.post('/api/v1/rag/search', body);
      const collection = await bundle.read('/api/v1/rag/collections/handbook');
      await bundle.open('documents');
      await page.locator('[data-collection=handbook]').waitFor();

      expect((await cellsOf('[data-collection=handbook]')).slice(0, 2)).toEqual(
        [collection.document_count, collection.chunk_count].map(String),
      );
      await bundle.open('documents/handbook');
      await page.getByLabel('Query').fill('server');
      await page.keyboard.press('Enter');
      await page.locator('#hits .score').first().waitFor();
      expect(await page.locator('#hits .score').allTextContents()).toEqual(
        data.map(({ score }: { score: number }) => score.toFixed(4)),
      );
    },
    2 * RECOVERY_MS,
  );

  test('limits of a key are those of the API, are changed, and lifted', async () => {
    await bundle.post('/api/v1/keys', {
      name: 'app',
      requests_per_minute: 600,
      tokens_per_minute: 200_000,
      token_budget: { tokens: 5_000_000, per: 'month' },
      models: ['sim-chat'],
      expires_at: '2099-01-02T03:04:05Z',
    });
    await bundle.open('keys');
    const row = page.locator('[data-key=app]');
    await row.waitFor();
    expect((await cellsOf('[data-key=app]')).slice(2, 8)).toEqual([
      ...['600', '200,000', '–', '5,000,000 / month', 'sim-chat', '1'],
    ]);

    await row.getByRole('button', { name: 'Change' }).click();
    const form = page.locator('#change');
    await form.getByLabel('requests/min').fill('30');
    await form.getByLabel('at once').fill('2');
    await form.getByLabel('token budget').fill('');
    await form.getByLabel('token budget').press('Enter');
    await bundle.becomes('[data-key=app] td >> nth=2', /^30$/);

    const { data } = await bundle.read('/api/v1/keys');
    expect(data[0]).toMatchObject({
      name: 'app',
      requests_per_minute: 30,
      tokens_per_minute: 200_000,
      max_concurrency: 2,
      token_budget: null,
      models: ['sim-chat'],
      expires_at: '2099-01-02T03:04:05.000Z',
    });
    await row.getByRole('button', { name: 'Change' }).click();
    await form.locator('select:focus').waitFor();
    await page.keyboard.press('Escape');
    await form.waitFor({ state: 'detached' });
  });

  test('a class is paused, shows who waits and for how long, and goes on', async () => {
    const queue = async () => (await bundle.read('/api/v1/health/queues')).queues.lightweight;
    await bundle.open('overview');
    await press('pause lightweight');
    await bundle.becomes('[data-class=lightweight] th', 'paused');
    const waiting = bundle.post('/v1/chat/completions', chat('sim-chat'));
    await bundle.becomes('[data-class=lightweight] td >> nth=0', /^1$/);
    await bundle.becomes('[data-class=lightweight] td >> nth=4', /^[1-9][\d.]* s$/);
    expect(await queue()).toMatchObject({ paused: true, waiting: 1, active: 0 });
    await press('resume lightweight');
    await page.getByRole('button', { name: 'pause lightweight' }).waitFor();

    expect(await waiting).toMatchObject({ object: 'chat.completion' });
    expect(await queue()).toMatchObject({ paused: false, waiting: 0 });
  });

  test("a server's card tells its slots, what it has loaded, and how long its calls take", async () => {
    const box = createDemoServer({
      protocol: 'ollama',
      models: [{ id: 'phi3' }, { id: 'mistral', isLoaded: false }],
    });
    await box.start();
    stops.push(box.stop);
    const place = { hostname: '127.0.0.1', port: box.port, protocol: 'ollama' };
    await bundle.post('/v1/servers', { id: 'box', ...place, max_concurrency: 3 });
    await bundle.post('/v1/chat/completions', chat('phi3'));
    await bundle.becomes('[data-server=box] dd >> nth=3', /^1\s*0 failed$/);
    const { data } = await readFeed(`${citadel.url}/dashboard/api/overview`, 'servers');
    const { p50_ms, p99_ms } = data.find(({ server }) => server === 'box') ?? {};

    expect(await page.locator('[data-server=box] dd').allTextContents()).toEqual([
      ...['0 / 3', `${Math.round(p50_ms ?? -1)} ms`, `${Math.round(p99_ms ?? -1)} ms`, '1 0 failed'],
    ]);
    expect(await page.locator('[data-server=box] .models li').allTextContents()).toEqual([
      ...['phi3 loaded', 'mistral'],
    ]);
  });

  test('Escape stops an answer in the playground, and its job with it', async () => {
    await bundle.open('playground');
    await page.getByLabel('Model').selectOption(ENDLESS_CHAT);
    await page.getByLabel('Message').fill('Go on for ever');
    await page.keyboard.press('Enter');
    const job = page.getByRole('link', { name: 'The job behind it' });
    await job.waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'New chat' }).waitFor();
    expect(await page.locator('main [role=alert]').count()).toBe(0);
    await job.click();

    await bundle.becomes('h1 .badge', 'cancelled');
  });

  test('who types already when a view has just come is not taken out of the field', async () => {
    await bundle.open('jobs');
    await page.waitForFunction("document.title.startsWith('Jobs')");
    const focused = await page.evaluate(`new Promise((resolve) => {
      new MutationObserver((_, observer) => {
        const field = document.querySelector('input[name=query]');
        if (!field) return;
        observer.disconnect();
        field.focus();
      }).observe(document.body, { childList: true, subtree: true });
      const look = () => document.title.startsWith('Documents')
        ? resolve(document.activeElement.getAttribute('name'))
        : requestAnimationFrame(look);
      location.hash = '#/documents/handbook';
      look();
    })`);
    expect(focused).toBe('query');
  });

  test('a key is enough to get everywhere: what has the focus is named, and can be seen', async () => {
    await bundle.post('/api/v1/orchestrate', {
      kind: 'embedding',
      request: { model: 'sim-embed', input: 'text' },
    });
    await bundle.open('overview');
    await page.reload();
    await page.locator('#totals').waitFor();
    await page.keyboard.press('Tab');
    expect(await readFocus(page)).toEqual({ name: 'Skip to the content', isSeen: true });
    await page.keyboard.press('Enter');
    await page.keyboard.press('Tab');
    expect((await readFocus(page)).name).toBe('Queues');

    await page.getByRole('link', { name: 'Jobs' }).focus();
    await page.keyboard.press('Enter');
    await page.locator('.list-row a').first().waitFor();
    const names: string[] = [];
    const lost: string[] = [];
    for (let tabs = 0; tabs < TABS_MAX && !names.at(-1)?.startsWith('job_'); tabs++) {
      await page.keyboard.press('Tab');
      const { name, isSeen } = await readFocus(page);
      names.push(name);
      if (!isSeen || name === '') lost.push(name);
    }
    expect(lost).toEqual([]);
    expect(names[0]).toMatch(/status/i);
    await page.keyboard.press('Enter');

    await bundle.becomes('h1', names.at(-1) ?? '');
  });

  test.each(['light', 'dark'] as const)(
    'every text can be read in the %s, and every field has a name',
    async (colorScheme) => {
      await page.emulateMedia({ colorScheme });
      for (const view of VIEWS) {
        await bundle.open(view);
        await page.locator('main h1').waitFor();
        await page.locator('main :is(tbody tr, .list-row, .composer)').first().waitFor();

        expect({ view, unreadable: await lowContrasts(page) }).toEqual({ view, unreadable: [] });
        expect({ view, unnamed: await unnamedFields(page) }).toEqual({ view, unnamed: [] });
      }
    },
  );

  test('nothing moves by itself, and nothing of this has broken a rule of the policy', async () => {
    expect(await page.evaluate('document.getAnimations().length')).toBe(0);
    expect(bundle.watched.problems).toEqual([]);
  });
});
