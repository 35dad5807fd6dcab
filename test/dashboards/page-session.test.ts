import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { rawHead, sendRaw } from '../api/raw-http.ts';
import { errorOf, START_LIMIT_MS } from '../api/setup.ts';
import { startTestCitadel, type TestCitadel } from '../support/citadel.ts';
import { waitFor } from '../support/wait-for.ts';

const ADMIN_KEY = 'sk-root-0123456789abcdef';
const USER_KEY = 'sk-alice-0123456789abcdef';
const SESSION = '/dashboard/session';
const OVERVIEW = '/dashboard/api/overview';
const OWN = { 'sec-fetch-site': 'same-origin', 'x-citadel-page': '1' };

let citadel: TestCitadel;

beforeAll(async () => {
  citadel = await startTestCitadel({
    env: { CITADEL_API_KEYS: `root:admin:${ADMIN_KEY},alice:user:${USER_KEY}` },
  });
}, START_LIMIT_MS);
afterAll(() => citadel.stop());

/** fetch sets `sec-fetch-*` itself: what a browser sends is sent by hand. */
async function send(line: string, headers: Record<string, string> = {}, body = '') {
  const type: Record<string, string> =
    body === '' ? {} : { 'content-type': 'application/json', 'content-length': `${body.length}` };
  const head = rawHead(line, { host: 'localhost', ...type, ...headers });
  return await sendRaw(citadel.url, `${head}${body}`);
}

async function signIn(key: string, headers: Record<string, string> = OWN) {
  const answer = await send(`POST ${SESSION}`, headers, JSON.stringify({ key }));
  const cookie = String(answer.headers['set-cookie'] ?? '');
  return { ...answer, cookie, session: cookie.split(';')[0] ?? '' };
}

const models = (cookie: string) => send('GET /dashboard/call/v1/models', { cookie });

describe('signing in', () => {
  test("an admin's key gives a cookie that scripts cannot read and other sites cannot send", async () => {
    const { status, cookie, body } = await signIn(ADMIN_KEY);

    expect(status).toBe(200);
    expect(JSON.parse(body)).toEqual({
      signed_in: true,
      key_name: 'root',
      expires_at: expect.stringMatching(/^\d{4}-/),
    });
    expect(cookie).toMatch(
      /^citadel_session=[\w.-]+; Path=\/dashboard; Max-Age=43200; HttpOnly; SameSite=Strict$/,
    );
    expect(cookie).not.toContain(ADMIN_KEY);
  });

  test.each([
    ["a user's key", USER_KEY],
    ['no key of ours', 'sk-nobody'],
  ])('%s opens nothing', async (_, key) => {
    const { status, body, cookie } = await signIn(key);

    expect(status).toBe(401);
    expect(JSON.parse(body)).toEqual(errorOf('invalid_api_key', { param: 'key' }));
    expect(cookie).toBe('');
  });

  test('the cookie opens the API to the page, its streams and bull-board, but never the API itself', async () => {
    const { session } = await signIn(ADMIN_KEY);
    const answers = await Promise.all([
      models(session),
      send('GET /dashboard/call/health/enterprise', { cookie: session }),
      send('GET /dashboard/queues/api/queues', { cookie: session }),
      send('GET /v1/models', { cookie: session }),
      send(`GET ${SESSION}`, { cookie: session }),
    ]);

    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 401, 200]);
    expect(JSON.parse(answers[4]?.body ?? '')).toMatchObject({ signed_in: true, key_name: 'root' });
  });

  test('behind HTTPS the cookie never goes over plain HTTP', async () => {
    const { cookie } = await signIn(ADMIN_KEY, { ...OWN, 'x-forwarded-proto': 'https' });

    expect(cookie).toMatch(/; Secure$/);
  });

  test('the page’s calls reach the API and nothing else, and are kept nowhere', async () => {
    const { session } = await signIn(ADMIN_KEY);
    const others = [
      'metrics',
      'docs',
      'dashboard/session',
      'v1/../dashboard/session',
      '/v1/models',
      'health',
    ];
    const answers = await Promise.all(
      others.map((path) => send(`GET /dashboard/call/${path}`, { cookie: session })),
    );
    const { headers } = await models(session);

    expect(answers.map(({ status }) => status)).toEqual([401, 401, 401, 404, 401, 401]);
    expect(headers).toMatchObject({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' });
  });

  test('signing out takes the cookie away', async () => {
    const { session } = await signIn(ADMIN_KEY);
    const { headers } = await send(`DELETE ${SESSION}`, { cookie: session, ...OWN });

    expect(String(headers['set-cookie'])).toMatch(/^citadel_session=; Path=\/dashboard; Max-Age=0;/);
  });
});

describe('a session', () => {
  test('that is forged or changed opens nothing', async () => {
    const { session } = await signIn(ADMIN_KEY);
    const [name, sealed = ''] = session.split('.');
    const other = sealed.replace(/^./, (first) => (first === 'A' ? 'B' : 'A'));
    const forged = [
      'citadel_session=x',
      'citadel_session=.',
      `${name}.`,
      `${name}.${other}`,
      `${name}.${sealed.slice(0, 60)}`,
      `citadel_session=${Buffer.from('alice').toString('base64url')}.${sealed}`,
      `citadel_session=${'x'.repeat(5_000)}`,
    ];
    const answers = await Promise.all(forged.map(models));

    expect(answers.map(({ status }) => status)).toEqual(forged.map(() => 401));
    expect((await models(session)).status).toBe(200);
  });

  test('ends with its key, its open stream too', async () => {
    const admin = { authorization: `Bearer ${ADMIN_KEY}` };
    const made = await citadel.post('/api/v1/keys', { name: 'ops', role: 'admin' }, { headers: admin });
    const { id, key } = (await made.json()) as { id: string; key: string };
    const { session } = await signIn(key);
    const feed = await fetch(citadel.url + OVERVIEW, { headers: { cookie: session } });
    let isOver = false;
    const reading = feed.text().then(() => {
      isOver = true;
    });

    expect((await models(session)).status).toBe(200);
    expect(isOver).toBe(false);
    await fetch(`${citadel.url}/api/v1/keys/${id}`, { method: 'DELETE', headers: admin });
    await waitFor(() => isOver, 'the end of the stream');
    await reading;
    expect((await models(session)).status).toBe(401);
  });
});

describe('whoever is no admin', () => {
  const ROUTES = [
    OVERVIEW,
    '/dashboard/api/jobs/job_1/request',
    '/dashboard/api/runs/run_1/plan',
    '/dashboard/api/runs/run_1/steps/a',
    '/dashboard/queues/',
    '/dashboard/queues/api/queues',
  ];

  test.each(ROUTES)('is shown nothing of %s', async (path) => {
    const keys = [undefined, 'Bearer sk-nobody', `Bearer ${USER_KEY}`, `Basic ${btoa(`x:${USER_KEY}`)}`];
    const answers = await Promise.all(
      keys.map((key) => send(`GET ${path}`, key === undefined ? {} : { authorization: key })),
    );

    expect(answers.map(({ status }) => status)).toEqual([401, 401, 403, 403]);
    for (const { body } of answers) expect(Object.keys(JSON.parse(body))).toEqual(['error']);
  });
});

describe('a page elsewhere', () => {
  const PAUSE = '/dashboard/call/orchestration/failover/sim';

  test.each<[string, Record<string, string>]>([
    [
      'another site',
      { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example', 'x-citadel-page': '1' },
    ],
    [
      'another port of this machine',
      { 'sec-fetch-site': 'same-site', origin: 'http://localhost:1', 'x-citadel-page': '1' },
    ],
    ['an old browser, by its origin', { origin: 'https://evil.example', 'x-citadel-page': '1' }],
    ['a form of the page itself, without its header', { 'sec-fetch-site': 'same-origin' }],
    ['nothing that says where from', { 'x-citadel-page': '1' }],
  ])('changes nothing with the cookie: %s', async (_, headers) => {
    const { session } = await signIn(ADMIN_KEY);
    const { status, body } = await send(`POST ${PAUSE}`, { cookie: session, ...headers }, '{}');

    expect(status).toBe(403);
    expect(JSON.parse(body)).toEqual(errorOf('forbidden'));
  });

  test('is told nothing, and signs nobody in or out', async () => {
    const { session } = await signIn(ADMIN_KEY);
    const foreign = { 'sec-fetch-site': 'cross-site' };
    const answers = await Promise.all([
      send('GET /dashboard/call/v1/models', { cookie: session, ...foreign }),
      send(`GET ${OVERVIEW}`, { cookie: session, ...foreign }),
      signIn(ADMIN_KEY, { ...foreign, 'x-citadel-page': '1' }),
      send(`DELETE ${SESSION}`, { cookie: session, ...foreign, 'x-citadel-page': '1' }),
    ]);

    expect(answers.map(({ status }) => status)).toEqual([403, 403, 403, 403]);
    expect(answers.map(({ headers }) => headers['set-cookie'])).not.toContainEqual(expect.anything());
  });

  test('the page itself may, also where the browser says its origin only', async () => {
    const { session } = await signIn(ADMIN_KEY);
    const headers = { cookie: session, 'x-citadel-page': '1', origin: 'http://localhost' };
    const { status } = await send('POST /dashboard/call/orchestration/recover/sim', headers, '{}');

    expect(status).toBe(200);
  });
});

describe('what the page is made of', () => {
  test('comes without a key, under a policy that runs nothing but its own files, and is light', async () => {
    const page = await citadel.get('/dashboard', { 'accept-encoding': 'gzip' });
    const text = await page.text();

    expect(page.status).toBe(200);
    expect(page.headers.get('content-security-policy')).toBe(
      "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    );
    expect(page.headers.get('x-content-type-options')).toBe('nosniff');
    expect(text).not.toMatch(/<style|style=|<script>|onclick/i);
  });

  test('has no file beside its own', async () => {
    const paths = [
      'nothing.js',
      '%2e%2e/page-files.ts',
      'tsconfig.json',
      'answers.ts',
      'vendor/preact.d.ts',
      '%zz',
    ];
    const answers = await Promise.all(paths.map((path) => send(`GET /dashboard/assets/${path}`)));

    expect(answers.map(({ status }) => status)).toEqual([404, 404, 404, 404, 404, 400]);
  });

  test('is not sent again while it is the same', async () => {
    const path = '/dashboard/assets/main.js';
    const etag = (await citadel.get(path)).headers.get('etag') ?? '';
    const again = await citadel.get(path, { 'if-none-match': etag });

    expect(again.status).toBe(304);
  });
});

test('no key and no session is ever logged', async () => {
  const { session } = await signIn(ADMIN_KEY);
  const log = citadel.logLines.join('');

  expect(log).toContain('/dashboard/session');
  expect(log).not.toContain(ADMIN_KEY);
  expect(log).not.toContain(session.slice(-40));
});
