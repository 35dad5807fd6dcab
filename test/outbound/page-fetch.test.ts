import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from '@jest/globals';
import { createPageFetch } from '../../outbound/page-fetch.ts';

const NEVER = new AbortController().signal;
const stops: (() => void)[] = [];

afterEach(() => {
  for (const stop of stops.splice(0)) stop();
});

/** A web server on loopback, and what fetches from it. */
async function setup(answer: (req: IncomingMessage, res: ServerResponse) => void, limits: object = {}) {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  stops.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { origin, pages: createPageFetch({ networks: ['127.0.0.1/32'], ...limits }) };
}

test('a page is given as its server sent it', async () => {
  const { origin, pages } = await setup((req, res) => {
    res.setHeader('content-type', 'text/html; charset=utf-8').end(`<p>${req.url}</p>`);
  });

  expect(await pages.fetch(`${origin}/a?b=1`, NEVER)).toEqual({
    url: `${origin}/a?b=1`,
    bytes: Buffer.from('<p>/a?b=1</p>'),
    mediaType: 'text/html; charset=utf-8',
  });
});

test('redirects are followed, and not without end', async () => {
  const { origin, pages } = await setup((req, res) => {
    const step = Number(req.url?.slice(1));
    if (step === 0) res.end('there');
    else res.writeHead(302, { location: `/${step - 1}` }).end();
  });

  expect(await pages.fetch(`${origin}/5`, NEVER)).toMatchObject({ url: `${origin}/0` });
  await expect(pages.fetch(`${origin}/6`, NEVER)).rejects.toMatchObject({ code: 'invalid_request' });
});

test.each([
  'http://127.0.0.2:1/',
  'http://169.254.169.254/latest/meta-data',
  'http://10.0.0.1/',
  'http://[::1]/',
])('a redirect to %s, which may not be called, is not followed', async (location) => {
  const { origin, pages } = await setup((_req, res) => res.writeHead(301, { location }).end());

  await expect(pages.fetch(origin, NEVER)).rejects.toMatchObject({ code: 'forbidden' });
  await expect(pages.fetch(location, NEVER)).rejects.toMatchObject({ code: 'forbidden' });
});

test.each(['file:///etc/passwd', 'ftp://example.com/a', 'http://name:secret@example.com/', 'no url'])(
  '%s is refused',
  async (url) => {
    const { origin, pages } = await setup((_req, res) => res.writeHead(302, { location: url }).end());

    await expect(pages.fetch(url, NEVER)).rejects.toMatchObject({ code: 'invalid_request', param: 'url' });
    if (url !== 'no url') {
      await expect(pages.fetch(origin, NEVER)).rejects.toMatchObject({ code: 'invalid_request' });
    }
  },
);

test.each([
  [404, 'invalid_request'],
  [403, 'invalid_request'],
  [429, 'bad_backend'],
  [503, 'bad_backend'],
])('an answer of %d is %s', async (status, code) => {
  const { origin, pages } = await setup((_req, res) => res.writeHead(status).end('no'));

  await expect(pages.fetch(origin, NEVER)).rejects.toMatchObject({ code });
});

test('a page that is too large, too slow, broken off or packed is refused, and a fetch can be aborted', async () => {
  const { origin, pages } = await setup(
    (req, res) => {
      if (req.url === '/large') res.end('x'.repeat(1_001));
      if (req.url === '/broken') res.writeHead(200, { 'content-length': 10 }).write('x', () => res.destroy());
      if (req.url === '/packed') res.writeHead(200, { 'content-encoding': 'gzip' }).end('x');
    },
    { bytesMax: 1_000, timeoutMs: 300 },
  );

  const codeOf = (path: string, signal = NEVER) =>
    pages.fetch(origin + path, signal).then(
      () => 'fetched',
      (error) => error.code ?? error.message,
    );

  expect(await codeOf('/large')).toBe('payload_too_large');
  expect(await codeOf('/broken')).toBe('bad_backend');
  expect(await codeOf('/packed')).toBe('invalid_request');
  expect(await codeOf('/silent')).toBe('deadline_exceeded');
  expect(await codeOf('/silent', AbortSignal.abort(new Error('gone')))).toBe('gone');
});
