import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { type Request, type Response, Router } from 'express';
import { AppError } from '../core/errors.ts';
import { loadOnce } from '../core/load-once.ts';

interface PageFile {
  mediaType: string;
  etag: string;
  plain: Buffer;
  zipped: Buffer;
}

const DIRECTORY = fileURLToPath(new URL('./page/', import.meta.url));
const MEDIA_TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** Libraries of the page, by the name under which it imports them: a file that stands beside the package's main one. */
const LIBRARIES: Record<string, { from: string; file: string }> = {
  'vendor/preact.js': { from: 'preact', file: 'preact.mjs' },
  'vendor/preact-hooks.js': { from: 'preact/hooks', file: 'hooks.mjs' },
  'vendor/htm.js': { from: 'htm', file: 'htm.mjs' },
  'vendor/uplot.js': { from: 'uplot', file: 'uPlot.esm.js' },
  'vendor/uplot.css': { from: 'uplot', file: 'uPlot.min.css' },
  'vendor/dagre.js': { from: '@dagrejs/dagre', file: 'dagre.esm.js' },
};
/** Browsers find no package by its name. */
const BARE_PREACT = /from\s*"preact"/;

const CONTENT_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ');

/** The page itself, at `/`, and at `/assets/…` what it is made of: the same for everyone, and nothing of Citadel's state. */
export function createPageFiles(): Router {
  const files = loadOnce(readFiles);
  const router = Router();
  router.get('/', async (req, res) => send(req, res, (await files()).get('index.html')));
  router.get('/assets/*path', async (req, res) => {
    send(req, res, (await files()).get([req.params.path].flat().join('/')));
  });
  return router;
}

function send(req: Request, res: Response, file: PageFile | undefined): void {
  if (!file) throw new AppError('not_found', 'The operator page has no such file.');
  res.setHeader('content-security-policy', CONTENT_POLICY);
  res.setHeader('referrer-policy', 'no-referrer');
  res.setHeader('content-type', file.mediaType);
  res.setHeader('cache-control', 'no-cache');
  res.setHeader('etag', file.etag);
  res.vary('accept-encoding');
  if (req.headers['if-none-match'] === file.etag) {
    res.status(304).end();
    return;
  }
  const isZipped = req.acceptsEncodings('gzip') === 'gzip';
  if (isZipped) res.setHeader('content-encoding', 'gzip');
  res.end(isZipped ? file.zipped : file.plain);
}

async function readFiles(): Promise<Map<string, PageFile>> {
  const names = await readdir(DIRECTORY, { recursive: true });
  const own = names.filter((name) => extname(name) in MEDIA_TYPES && !name.startsWith('vendor'));
  const entries = [
    ...own.map((name) => toFile(name.replaceAll('\\', '/'), readFile(join(DIRECTORY, name)))),
    ...Object.entries(LIBRARIES).map(([name, library]) => toFile(name, readLibrary(library))),
  ];
  return new Map(await Promise.all(entries));
}

async function readLibrary({ from, file }: { from: string; file: string }): Promise<Buffer> {
  const main = createRequire(import.meta.url).resolve(from);
  const text = await readFile(join(dirname(main), file), 'utf8');
  return Buffer.from(text.replace(BARE_PREACT, 'from"./preact.js"'));
}

async function toFile(name: string, reading: Promise<Buffer>): Promise<[string, PageFile]> {
  const plain = await reading;
  const zipped = await promisify(gzip)(plain, { level: 9 });
  const etag = `"${createHash('sha256').update(plain).digest('base64url')}"`;
  return [name, { mediaType: MEDIA_TYPES[extname(name)] ?? 'text/plain', etag, plain, zipped }];
}
