import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Page } from 'playwright-core';
import { START_LIMIT_MS } from '../api/setup.ts';
import { chromiumService, type WatchedPage } from '../support/browser.ts';
import { chat, type TestCitadel } from '../support/citadel.ts';
import { describeWith } from '../support/services.ts';
import { waitFor } from '../support/wait-for.ts';
import { ADMIN_KEY, AUTH, openOperatorPage, type PageBundle } from './page-bundle.ts';

const SLOW_CHAT = 'sim:token=30+tokens=80';
const ENDLESS_CHAT = 'sim:token=1000+tokens=100';
const SCRIPT = '<script>window.ran=1</script>';
const IMAGE = '<img src=x onerror=window.ran=1>';

describeWith(chromiumService, 'the operator page', () => {
  let citadel: TestCitadel;
  let watched: WatchedPage;
  let page: Page;
  let bundle: PageBundle;

  beforeAll(async () => {
    const models = ['sim-chat', 'sim-embed', 'sim:error-500', SLOW_CHAT, ENDLESS_CHAT, SCRIPT];
    bundle = await openOperatorPage({ models });
    ({ citadel, watched, page } = bundle);
  }, START_LIMIT_MS);
  afterAll(() => bundle.stop());

  const open = (hash: string) => bundle.open(hash);
  const read = (path: string) => bundle.read(path);
  const post = (path: string, body: unknown) => bundle.post(path, body);
  const textOf = (selector: string) => bundle.textOf(selector);
  const becomes = (selector: string, text: string | RegExp) => bundle.becomes(selector, text);

  test('asks for a key, refuses a wrong one, and opens with a right one', async () => {
    await page.getByLabel('Admin key').fill('sk-wrong');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await becomes('[role=alert]', 'no key with the role admin');
    await page.getByLabel('Admin key').fill(ADMIN_KEY);
    await page.keyboard.press('Enter');
    await page.locator('#totals').waitFor();

    expect(await page.title()).toBe('Overview · Citadel');
  });

  test('each number of the overview is the one that the API says', async () => {
    for (let made = 0; made < 6; made++) await post('/v1/chat/completions', chat('sim-chat'));
    await post('/v1/chat/completions', chat('sim:error-500'));
    await becomes('#requests-per-second', '0.1');
    await becomes('#error-rate', '14.3 %');
    const { total } = await read('/api/v1/usage');
    const tokens = total.input_tokens + total.output_tokens;
    await becomes('#tokens-per-second', `${Math.round((10 * tokens) / 60) / 10}`);
    await becomes('[data-class=lightweight] td >> nth=5', '0.1');
    await becomes('[data-server=sim] .facts', /7\s*1 failed/);
    const leaving = new AbortController();
    const { signal } = leaving;
    const running = [1, 2].map(() =>
      citadel.post('/v1/chat/completions', chat(ENDLESS_CHAT), { headers: AUTH, signal }).catch(() => {}),
    );
    await becomes('[data-class=lightweight] td >> nth=1', '2');
    await becomes('[data-server=sim] dd >> nth=0', '2');
    const health = await read('/health/enterprise');
    const { data } = await read('/v1/models');

    expect(await textOf('h1 .badge')).toBe(health.cluster_status);
    expect(await textOf('#healthy-servers')).toBe(`${health.healthy_servers} / ${health.total_servers}`);
    expect(await textOf('#models')).toBe(`${data.length}`);
    expect(await textOf('#store-queue')).toBe(health.stores.queue.status);
    expect(await textOf('#store-database')).toBe(health.stores.database.status);
    for (const [name, { waiting, active, delayed, dead }] of Object.entries<Record<string, number>>(
      health.queues,
    )) {
      const cells = await page.locator(`[data-class=${name}] td`).allTextContents();
      expect(cells.slice(0, 4)).toEqual([waiting, active, delayed, dead].map(String));
    }
    const [server] = Object.values<{ in_flight: number; health_status: string }>(health.server_details);
    expect(await textOf('[data-server=sim] .badge')).toBe(server?.health_status);
    expect(await textOf('[data-server=sim] dd >> nth=0')).toBe(`${server?.in_flight}`);
    expect(await page.locator('[data-server=sim] .models li').allTextContents()).toEqual(
      expect.arrayContaining(['sim-chat', SCRIPT]),
    );
    expect(await textOf('[data-server=sim] .last-failure')).toContain('sim:error-500');
    expect(health.queues.lightweight.active).toBe(2);
    leaving.abort();
    await Promise.all(running);
  });

  test('a chat streams in the playground, and its job is one click away', async () => {
    await open('playground');
    await page.getByLabel('Model').selectOption(SLOW_CHAT);
    await page.getByLabel('Message').fill(SCRIPT);
    await page.keyboard.press('Enter');
    const answer = page.locator('.message.is-assistant p');
    await answer.filter({ hasText: /\w/ }).waitFor();
    const early = ((await answer.textContent()) ?? '').length;
    await page.getByRole('button', { name: 'New chat' }).waitFor();
    const whole = (await answer.textContent()) ?? '';

    expect(whole.length).toBeGreaterThan(early + 50);
    expect(await textOf('.message.is-user p')).toBe(SCRIPT);
    await page.getByRole('link', { name: 'The job behind it' }).click();
    await becomes('h1 .badge', 'succeeded');
    expect(await page.locator('main').textContent()).not.toContain(whole.slice(0, 40));
    await page.getByRole('button', { name: 'Show answer' }).click();
    await page.getByRole('button', { name: 'Show request' }).click();
    await becomes('.json', SCRIPT);
    expect(await page.locator('.json').last().textContent()).toContain(whole.slice(0, 20));
    expect(await page.locator('.bars > li').count()).toBe(2);
  });

  test('a failed job is retried, and replayed to another model', async () => {
    citadel.model.setFault('error-500');
    const { id } = await post('/api/v1/orchestrate', {
      kind: 'chat',
      request: { ...chat('sim-chat'), seed: 1 },
    });
    await open(`jobs/${id}`);
    await becomes('h1 .badge', 'failed');
    citadel.model.setFault(undefined);
    await page.getByRole('button', { name: 'Retry' }).click();
    await becomes('h1 .badge', 'succeeded');
    await page.getByLabel('Replay to').selectOption(SCRIPT);
    await page.getByRole('button', { name: 'Replay' }).click();
    await page.waitForURL((url) => !url.hash.includes(id));
    await becomes('h1 .badge', 'succeeded');
    const [, , other] = new URL(page.url()).hash.split('/');

    expect(await read(`/api/v1/orchestrate/${other}`)).toMatchObject({ model: SCRIPT, key_name: 'root' });
  });

  test('jobs are found by model, status, kind and time', async () => {
    await open('jobs');
    await page.getByLabel('model').fill(SCRIPT);
    // The models come, and the page is drawn anew: what was typed stays.
    await page.locator('#models option').first().waitFor({ state: 'attached' });
    expect(await page.getByLabel('model').inputValue()).toBe(SCRIPT);
    await page.keyboard.press('Enter');
    const row = page.locator('.list-row:has(a)');
    await waitFor(async () => (await row.count()) === 1, 'the one job');

    expect(await row.locator('.model').textContent()).toBe(SCRIPT);
    await page.getByLabel('from').fill('2099-01-01T00:00');
    await becomes('.hint', 'No job is like this.');
  });

  test('a run shows its graph, what its chat says as it says it, and is approved', async () => {
    const { id } = await post('/api/v1/workflows', {
      definition: {
        name: 'letter',
        steps: [
          {
            id: 'draft',
            type: 'chat',
            model: SLOW_CHAT,
            messages: [{ role: 'user', content: '${{ input.about }}' }],
          },
          { id: 'review', type: 'approve', after: ['draft'] },
          { id: 'send', type: 'transform', value: '${{ steps.review.output.by }}' },
        ],
        output: '${{ steps.send.output }}',
      },
      input: { about: IMAGE },
    });
    await open(`runs/${id}`);
    await becomes('#says', /\w/);
    await becomes('[data-step=review]', 'waiting');
    expect(await page.locator('[data-step=draft]').textContent()).toContain('succeeded');
    await page.getByRole('button', { name: 'Show input' }).click();
    await page.locator('[data-step=review]').focus();
    await page.keyboard.press('Enter');
    await page.getByLabel('Answer, as JSON').fill('{"by": "ops"}');
    await page.getByRole('button', { name: 'Approve', exact: true }).click();
    await becomes('h1 .badge', 'succeeded');
    expect(await read(`/api/v1/workflows/${id}`)).toMatchObject({ status: 'succeeded', output: 'ops' });

    await page.locator('[data-step=draft]').click();
    await page.getByRole('button', { name: 'Show input' }).click();
    await becomes('#step .json', IMAGE);
    await page.locator('[data-step=send]').click();
    await page.getByText('Fork from here').click();
    await page.getByRole('button', { name: 'Fork' }).click();
    await page.waitForURL((url) => !url.hash.includes(id));
    await becomes('h1 .badge', 'succeeded');
  });

  test('documents are taken in before one’s eyes, and found with what matched marked', async () => {
    await open('documents');
    await page.getByLabel('name').fill('handbook');
    await page.getByLabel('embedding model').selectOption('sim-embed');
    await page.getByRole('button', { name: 'Make' }).click();
    await page.getByRole('link', { name: 'handbook' }).click();
    await page.getByLabel('Files').setInputFiles([
      { name: 'servers.md', mimeType: 'text/markdown', buffer: Buffer.from('Adding servers is easy.') },
      { name: `${IMAGE}.txt`, mimeType: 'text/plain', buffer: Buffer.from('Nothing of the kind.') },
      { name: 'empty.txt', mimeType: 'text/plain', buffer: Buffer.from(' ') },
    ]);
    await page.getByRole('button', { name: 'Take in' }).click();
    await becomes('#ingest', '2 of 3 taken in, 1 failed');
    await becomes('#ingest .items', 'no_extractable_text');
    await page.getByLabel('Query').fill('server');
    await page.getByRole('button', { name: 'Search' }).click();
    await becomes('#hits mark', 'servers');

    expect(await textOf('#hits .score >> nth=0')).toMatch(/^0\.\d{4}$/);
    await becomes('.is-document .model', IMAGE);
  });

  test('a key is made, shown once, and revoked', async () => {
    await open('keys');
    await page.getByLabel('name').fill('app');
    await page.getByLabel('requests/min').fill('60');
    await page.getByRole('button', { name: 'Make' }).click();
    const key = await textOf('#made-key');
    expect(key).toMatch(/^ck_/);
    page.once('dialog', (dialog) => dialog.accept());
    await page.locator('[data-key=app]').getByRole('button', { name: 'Revoke' }).click();
    await becomes('[data-key=app]', 'revoked');

    expect((await citadel.get('/v1/models', { authorization: `Bearer ${key}` })).status).toBe(401);
  });

  test('fits a phone, in the dark', async () => {
    await page.emulateMedia({ colorScheme: 'dark' });
    await page.setViewportSize({ width: 390, height: 844 });
    for (const view of ['overview', 'jobs', 'runs', 'documents', 'playground', 'keys']) {
      await open(view);
      await page.locator('main h1').waitFor();
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(390);
    }
    const color = await page.evaluate('getComputedStyle(document.documentElement).backgroundColor');
    expect(color).toBe('rgb(18, 21, 28)');
  });

  test('weighs less than 200 kB on the wire, and has broken no rule in all of this', async () => {
    const sizes: number[] = await page.evaluate(
      `performance.getEntriesByType('resource').filter(({ name }) => name.includes('/assets/')).map((one) => one.encodedBodySize)`,
    );
    const bytes = sizes.reduce((sum, size) => sum + size, 0);

    expect(bytes).toBeGreaterThan(20_000);
    expect(bytes).toBeLessThan(200_000);
    expect(await page.evaluate("'ran' in window")).toBe(false);
    expect(watched.problems).toEqual([]);
  });

  test('signs out, and is closed then', async () => {
    await page.setViewportSize({ width: 1100, height: 800 });
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByLabel('Admin key').waitFor();
    await page.goto(`${citadel.url}/dashboard/queues`);

    expect(new URL(page.url()).pathname).toBe('/dashboard');
    await page.getByLabel('Admin key').waitFor();
  });
});
