import { readdirSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { parseHTML } from 'linkedom';
import { startTestCitadel, type TestCitadel } from '../support/citadel.ts';
import { START_LIMIT_MS } from './setup.ts';

const FOLDER = new URL('../../api/docs-page/', import.meta.url);
const SIZE_MAX = 100_000;
const KEY = 'the-key-of-an-admin-1';

/** What the page's scripts export; they are no part of the TypeScript program. */
interface PageScripts {
  showDescription(page: Document, root: Element, description: object): void;
  toRequest(parts: object): [string, RequestInit];
}
type Document = ReturnType<typeof parseHTML>['document'];
type Element = ReturnType<Document['createElement']>;

let citadel: TestCitadel;
let scripts: PageScripts;

beforeAll(async () => {
  citadel = await startTestCitadel({ env: { CITADEL_API_KEYS: `one:admin:${KEY}` } });
  scripts = {
    ...(await import(new URL('page.js', FOLDER).href)),
    ...(await import(new URL('try-form.js', FOLDER).href)),
  };
}, START_LIMIT_MS);
afterAll(() => citadel.stop());

/** The page as a browser would make it of this description. */
function show(description: object): { root: Element; open(operationId: string): Element } {
  const { document, window } = parseHTML('<html><body><main id="docs"></main></body></html>');
  const root = document.getElementById('docs') as Element;
  scripts.showDescription(document, root, description);
  return {
    root,
    open(operationId) {
      const details = root.querySelector(`#${operationId}`) as Element & { open: boolean };
      details.open = true;
      details.dispatchEvent(new window.Event('toggle'));
      return details;
    },
  };
}

async function readDescription() {
  return (await (await citadel.get('/openapi.json')).json()) as { paths: Record<string, object> };
}

describe('/docs', () => {
  test('needs no key, and all that it loads is small and comes from here', async () => {
    const page = await citadel.get('/docs');
    const html = await page.text();
    const named = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, address]) => address ?? '');
    const files = readdirSync(FOLDER).filter((name) => name !== 'index.html');
    const answers = await Promise.all(files.map((name) => citadel.get(`/docs/${name}`)));
    const texts = await Promise.all(answers.map((answer) => answer.text()));

    expect(page.status).toBe(200);
    expect(named.filter((address) => !/^(\/docs\/|\/openapi\.json$|data:,$)/.test(address))).toEqual([]);
    expect(answers.map(({ status }) => status)).toEqual(files.map(() => 200));
    expect([html, ...texts].join('').length).toBeLessThan(SIZE_MAX);
    expect(texts.join('')).not.toMatch(
      /https?:\/\/|innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(/,
    );
  });

  test('allows scripts and calls of this address alone, and no page around it', async () => {
    const page = await citadel.get('/docs');
    const policy = page.headers.get('content-security-policy')?.split('; ');
    const html = await page.text();

    expect(policy).toEqual([
      "default-src 'none'",
      "script-src 'self'",
      "style-src 'self'",
      "connect-src 'self'",
      'img-src data:',
      "base-uri 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
    ]);
    expect(html).not.toMatch(/<script(?![^>]* src=)|<style| on\w+=| style=/);
  });

  test.each(['nothing.js', '..%2froutes%2fdocs.ts', '%2e%2e%2findex.html', 'index.html'])(
    'gives no other file: %s',
    async (name) => {
      expect((await citadel.get(`/docs/${name}`)).status).toBe(404);
    },
  );

  test('shows every route of the description, and what each takes and answers', async () => {
    const description = await readDescription();
    const page = show(description);
    const routes = Object.values(description.paths).flatMap((methods) => Object.keys(methods));
    const chat = page.open('createChatCompletion');

    expect(page.root.querySelectorAll('details.operation').length).toBe(routes.length);
    expect(chat.textContent).toContain('messages');
    expect(chat.textContent).toContain('x-citadel-priority');
    expect(chat.querySelector('textarea')?.textContent).toContain('"messages": [');
  });

  test('shows a text with tags in it as that text', () => {
    const evil = '<img src=x onerror=alert(1)><script>alert(1)</script>';
    const operation = {
      operationId: 'evil',
      tags: [evil],
      summary: evil,
      description: evil,
      parameters: [{ name: evil, in: 'query', schema: { type: 'string', enum: [evil] } }],
      requestBody: {
        content: { 'application/json': { schema: { properties: { [evil]: { description: evil } } } } },
      },
      responses: {
        200: { description: evil, content: { [evil]: { schema: { type: 'string', const: evil } } } },
      },
    };
    const page = show({
      info: { title: evil, version: evil, description: evil },
      tags: [{ name: evil, description: evil }],
      paths: { [evil]: { post: operation } },
      components: { schemas: {}, parameters: {} },
    });
    const inside = page.open('evil');

    expect(page.root.querySelectorAll('img, script').length).toBe(0);
    expect(inside.textContent.split(evil).length).toBeGreaterThan(8);
  });

  test('sends what its form holds, with the key of its field', async () => {
    const fields = (values: Record<string, [string, string]>) =>
      Object.entries(values).map(([name, [place, text]]) => ({ name, place, field: { value: () => text } }));
    const [path, init] = scripts.toRequest({
      method: 'patch',
      path: '/v1/servers/{id}',
      parameters: fields({
        id: ['path', 'sim'],
        note: ['query', ''],
        'x-citadel-priority': ['header', 'low'],
      }),
      body: { media: 'application/json', value: () => '{"weight":3}' },
      key: KEY,
    });
    const response = await fetch(citadel.url + path, init);

    expect({ path, headers: init.headers }).toEqual({
      path: '/v1/servers/sim',
      headers: {
        authorization: `Bearer ${KEY}`,
        'content-type': 'application/json',
        'x-citadel-priority': 'low',
      },
    });
    expect(await response.json()).toMatchObject({ id: 'sim', weight: 3 });
  });
});
