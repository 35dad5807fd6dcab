import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Page } from 'playwright-core';
import { START_LIMIT_MS } from '../api/setup.ts';
import { chromiumService } from '../support/browser.ts';
import { chat, type TestCitadel } from '../support/citadel.ts';
import { describeWith } from '../support/services.ts';
import { waitFor } from '../support/wait-for.ts';
import { AUTH, openOperatorPage, type PageBundle } from './page-bundle.ts';

const SLOW_CHAT = 'sim:first=50+token=20+tokens=20';
const ENDLESS_CHAT = 'sim:token=1000+tokens=100';

interface Entry {
  at: string;
  event: string;
  reason?: string;
}
interface Step {
  id: string;
  started_at: string;
  finished_at: string;
  output: unknown;
}

const between = (from: string, to: string) => {
  const ms = Date.parse(to) - Date.parse(from);
  return ms < 1_000 ? `${ms} ms` : `${Math.round(ms / 100) / 10} s`;
};

describeWith(chromiumService, 'jobs and runs on the operator page', () => {
  let bundle: PageBundle;
  let citadel: TestCitadel;
  let page: Page;

  beforeAll(async () => {
    bundle = await openOperatorPage({
      models: ['sim-chat', 'sim-embed', 'sim:error-500', SLOW_CHAT, ENDLESS_CHAT],
    });
    ({ citadel, page } = bundle);
    await bundle.signIn();
  }, START_LIMIT_MS);
  afterAll(() => bundle.stop());

  const factOf = (name: string) =>
    page.locator('main > .facts > div', { has: page.getByText(name, { exact: true }) }).locator('dd');
  const press = (name: string) => page.getByRole('button', { name, exact: true }).click();
  const submit = async (kind: string, request: object): Promise<string> =>
    (await bundle.post('/api/v1/orchestrate', { kind, request })).id;
  const start = async (definition: object, input: unknown = {}): Promise<string> =>
    (await bundle.post('/api/v1/workflows', { definition, input })).id;

  describe('a job', () => {
    test('is found by status, kind and key, as the API finds it', async () => {
      const made = await bundle.post('/api/v1/keys', { name: 'alice' });
      const headers = { authorization: `Bearer ${made.key}` };
      await citadel.post('/api/v1/orchestrate', { kind: 'chat', request: chat('sim-chat') }, { headers });
      const ids = [
        await submit('embedding', { model: 'sim-embed', input: 'text' }),
        await submit('chat', chat(ENDLESS_CHAT)),
      ];
      await bundle.open('jobs');
      const shown = () => page.locator('.list-row a').allTextContents();
      for (const [label, value, query] of [
        ['kind', 'embedding', 'kind=embedding'],
        ['status', 'running', 'status=running'],
        ['key', 'alice', 'key=alice'],
      ] as const) {
        await press('Clear');
        const field = page.locator(`.filters [name=${label}]`);
        if (label === 'key') await field.fill(value);
        else await field.selectOption(value);
        await field.blur();
        await waitFor(async () => {
          const { data } = await bundle.read(`/api/v1/orchestrate?${query}`);
          const found = data.map(({ id }: { id: string }) => id);
          return found.length === 1 && String(await shown()) === String(found);
        }, `the job of ${query}`);
      }
      await bundle.post(`/api/v1/orchestrate/${ids[1]}/cancel`, {});
    });

    test('has a timeline of bars whose times are those of the API', async () => {
      const id = await submit('chat', chat(SLOW_CHAT));
      await bundle.open(`jobs/${id}`);
      await bundle.becomes('h1 .badge', 'succeeded');
      const job = await bundle.read(`/api/v1/orchestrate/${id}`);
      const entryOf = (event: string): Entry => job.timeline.find((one: Entry) => one.event === event);
      const [queued, attempt, firstToken, done] = ['queued', 'attempt', 'first_token', 'done'].map(entryOf);

      expect(await page.locator('#timeline .bar-label').allTextContents()).toEqual([
        'queued',
        'attempt 1 · sim',
      ]);
      expect(await page.locator('#timeline .bar-time').allTextContents()).toEqual([
        between(queued?.at ?? '', attempt?.at ?? ''),
        between(attempt?.at ?? '', done?.at ?? ''),
      ]);
      expect(await page.locator('#timeline .bar-why').allTextContents()).toEqual([
        attempt?.reason,
        `first token after ${between(attempt?.at ?? '', firstToken?.at ?? '')}`,
        expect.stringContaining('Servers looked at: 1'),
      ]);
      expect(await bundle.textOf('#job-end')).toBe(`done after ${between(queued?.at ?? '', done?.at ?? '')}`);
      expect(await factOf('Tokens').textContent()).toBe(`${job.tokens}`);
      expect(await factOf('Key').textContent()).toBe(job.key_name);
      expect(job.tokens).toBeGreaterThan(0);
    });

    test('is cancelled while it runs', async () => {
      const id = await submit('chat', chat(ENDLESS_CHAT));
      await bundle.open(`jobs/${id}`);
      await bundle.becomes('h1 .badge', 'running');
      await press('Cancel');
      await bundle.becomes('h1 .badge', 'cancelled');

      expect((await bundle.read(`/api/v1/orchestrate/${id}`)).status).toBe('cancelled');
      expect(await page.getByRole('button', { name: 'Cancel' }).count()).toBe(0);
    });

    test('whose caller waited shows how it went, and offers nothing that cannot be done with it', async () => {
      await citadel.post('/v1/chat/completions', chat('sim:error-500'), { headers: AUTH });
      await bundle.open('jobs');
      await press('Clear');
      await page.locator('.filters [name=mode]').selectOption('interactive');
      await waitFor(async () => (await page.locator('.list-row a').count()) === 1, 'the one call');
      await page.locator('.list-row a').click();
      await bundle.becomes('h1 .badge', 'failed');
      const job = await bundle.read(`/api/v1/orchestrate/${await bundle.textOf('h1 code')}`);

      expect(await factOf('Mode').textContent()).toBe('interactive');
      expect(await factOf('Model').textContent()).toBe('sim:error-500');
      expect(await bundle.textOf('main > .failure')).toContain(job.error.code);
      const { attempt } = job.timeline.find(({ event }: Entry) => event === 'attempt');
      expect(await page.locator('#timeline .bar-label').allTextContents()).toEqual([
        'queued',
        `attempt ${attempt} · sim`,
      ]);
      expect(await bundle.textOf('#not-kept')).toMatch(/cannot be shown, tried again or replayed/);
      expect(await page.locator('main button').allTextContents()).toEqual([]);
    });

    test('that there is not says so, and leads back', async () => {
      await bundle.open('jobs/job_nothing');
      await bundle.becomes('[role=alert]', /no job/i);
      await page.getByRole('link', { name: '← Jobs' }).click();

      await page.locator('.list-row a').first().waitFor();
    });
  });

  describe('a run', () => {
    const LETTERS = {
      name: 'letters',
      steps: [
        {
          id: 'each',
          type: 'map',
          over: '${{ input.names }}',
          steps: [
            {
              id: 'greet',
              type: 'chat',
              model: 'sim-chat',
              messages: [{ role: 'user', content: '${{ item }}' }],
            },
          ],
        },
        { id: 'count', type: 'transform', value: '${{ {"letters": size(steps.each.output)} }}' },
      ],
      output: '${{ steps.count.output }}',
    };

    test('has the numbers, the times and the outputs that the API says', async () => {
      const id = await start(LETTERS, { names: ['Ada', 'Alan'] });
      await bundle.open(`runs/${id}`);
      await bundle.becomes('h1 .badge', 'succeeded');
      const run = await bundle.read(`/api/v1/workflows/${id}`);
      const steps: Step[] = run.steps;
      const rows = page.locator('.bars > li');
      const [names, times] = await Promise.all(
        ['.bar-label', '.bar-time'].map((part) => rows.locator(part).allTextContents()),
      );

      expect(await factOf('Steps').textContent()).toBe(`${steps.length}`);
      expect(await factOf('Tokens').textContent()).toBe(`${run.tokens}`);
      expect(Object.fromEntries((names ?? []).map((name, index) => [name, times?.[index]]))).toEqual(
        Object.fromEntries(steps.map((step) => [step.id, between(step.started_at, step.finished_at)])),
      );
      expect(await bundle.textOf('[data-step="each/greet"]')).toContain('succeeded 2/2');
      expect(JSON.parse(await bundle.textOf('#output .json'))).toEqual({ letters: 2 });
      await rows.getByRole('button', { name: 'each[1]/greet' }).click();
      await bundle.becomes('#step h2', 'each[1]/greet');
      expect(JSON.parse(await bundle.textOf('#step .json'))).toEqual(
        steps.find(({ id: step }) => step === 'each[1]/greet')?.output,
      );
    });

    test('is paused, goes on, is cancelled and retried', async () => {
      const id = await start({ name: 'held', steps: [{ id: 'ask', type: 'approve' }] });
      await bundle.open(`runs/${id}`);
      for (const [button, status] of [
        ['pause', 'paused'],
        ['resume', 'waiting'],
        ['cancel', 'cancelled'],
        ['retry', 'waiting'],
      ] as const) {
        await press(button);
        await bundle.becomes('h1 .badge', status);
        expect((await bundle.read(`/api/v1/workflows/${id}`)).status).toBe(status);
      }
      await press('Approve');
      await bundle.becomes('h1 .badge', 'succeeded');
    });

    test('is forked with another input, and the first one stays as it was', async () => {
      const id = await start(LETTERS, { names: ['Ada'] });
      await bundle.open(`runs/${id}`);
      await bundle.becomes('h1 .badge', 'succeeded');
      await page.locator('[data-step=each]').click();
      await page.getByText('Fork from here').click();
      await page.getByLabel('Another input').fill('{"names": ["Grace", "Edsger", "Barbara"]}');
      await press('Fork');
      await page.waitForURL((url) => !url.hash.includes(id));
      await bundle.becomes('h1 .badge', 'succeeded');
      const [, , made] = new URL(page.url()).hash.split('/');

      expect(await bundle.read(`/api/v1/workflows/${made}`)).toMatchObject({
        forked_from: id,
        output: { letters: 3 },
      });
      expect(await bundle.read(`/api/v1/workflows/${id}`)).toMatchObject({ output: { letters: 1 } });
    });

    test('is found by workflow and status, and an answer that is no JSON is refused on the page', async () => {
      const id = await start({ name: 'only-here', steps: [{ id: 'ask', type: 'approve' }] });
      await bundle.open('runs');
      await page.getByLabel('workflow').fill('only-here');
      await page.getByLabel('workflow').press('Enter');
      await page.getByLabel('status').selectOption('waiting');
      await waitFor(async () => (await page.locator('.list-row a').count()) === 1, 'the one run');
      await page.locator('.list-row a').click();
      await page.getByLabel('Answer, as JSON').fill('{');
      await press('Approve');
      await bundle.becomes('#step [role=alert]', /JSON/);

      expect((await bundle.read(`/api/v1/workflows/${id}`)).status).toBe('waiting');
    });
  });

  test('none of this has broken a rule of the policy', () => {
    expect(bundle.watched.problems).toEqual([]);
  });
});
