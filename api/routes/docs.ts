import { readFileSync } from 'node:fs';
import type { RequestHandler, Response } from 'express';
import { AppError } from '../../core/errors.ts';
import { loadOnce } from '../../core/load-once.ts';
import { createStableReply } from '../replies/stable-reply.ts';

const SCRIPT = 'text/javascript; charset=utf-8';
/** What the page loads: all of it from here. */
const FILES = {
  'page.js': SCRIPT,
  'element.js': SCRIPT,
  'schemas.js': SCRIPT,
  'try-form.js': SCRIPT,
  'page.css': 'text/css; charset=utf-8',
} as const;

const CONTENT_POLICY = [
  "default-src 'none'",
  ...['script-src', 'style-src', 'connect-src'].map((kind) => `${kind} 'self'`),
  'img-src data:',
  ...['base-uri', 'form-action', 'frame-ancestors'].map((kind) => `${kind} 'none'`),
].join('; ');

/** GET /docs: a page that shows /openapi.json, and sends requests from this address only. */
export function docsPage(): RequestHandler {
  const page = loadFile('index.html', 'text/html; charset=utf-8');
  return (req, res) => {
    setPolicy(res);
    page().send(req, res);
  };
}

/** GET /docs/{file} */
export function docsFile(): RequestHandler {
  const replies = new Map(Object.entries(FILES).map(([name, type]) => [name, loadFile(name, type)]));
  return (req, res) => {
    const reply = replies.get(String(req.params.file));
    if (!reply) throw new AppError('not_found', 'The page at /docs has no such file.');
    setPolicy(res);
    reply().send(req, res);
  };
}

function loadFile(name: string, contentType: string) {
  const url = new URL(`../docs-page/${name}`, import.meta.url);
  return loadOnce(() => createStableReply(contentType, readFileSync(url, 'utf8')));
}

function setPolicy(res: Response): void {
  res.setHeader('content-security-policy', CONTENT_POLICY);
  res.setHeader('referrer-policy', 'no-referrer');
  res.setHeader('cross-origin-opener-policy', 'same-origin');
}
