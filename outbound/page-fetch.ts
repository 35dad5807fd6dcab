import { Client, type Dispatcher } from 'undici';
import { AppError } from '../core/errors.ts';
import type { FetchedPage, PageFetch } from '../rag/page-fetch.ts';
import type { AddressGuard } from './address-guard.ts';
import { parseCallerUrl } from './caller-url.ts';
import { createOutboundGuard } from './outbound-guard.ts';
import { createServerConnector } from './server-connector.ts';

const CONNECT_LIMIT_MS = 5_000;
const REDIRECTS_MAX = 5;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);
const MAY_PASS = new Set([408, 425, 429]);

export interface PageFetchOptions {
  /** Networks that may be called beside public addresses: `loopback`, `private`, CIDRs. */
  networks: readonly string[];
  /** For all of it, redirects too (30 s). */
  timeoutMs?: number;
  /** Of the answer's body (20 MB). */
  bytesMax?: number;
}

export function createPageFetch(options: PageFetchOptions): PageFetch {
  const { timeoutMs = 30_000, bytesMax = 20_971_520 } = options;
  const guard = createOutboundGuard(options.networks);

  return {
    async fetch(text, signal) {
      const late = new AppError('deadline_exceeded', `The page was not there within ${timeoutMs} ms.`);
      const limit = AbortSignal.timeout(timeoutMs);
      try {
        return await follow(parseCallerUrl(text), { guard, bytesMax }, AbortSignal.any([signal, limit]));
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof AppError) throw error;
        if (limit.aborted) throw late;
        throw new AppError('bad_backend', 'The page could not be reached, or broke off.', { cause: error });
      }
    },
  };
}

interface Limits {
  guard: AddressGuard;
  bytesMax: number;
}

async function follow(first: URL, limits: Limits, signal: AbortSignal): Promise<FetchedPage> {
  let url = first;
  for (let redirects = 0; redirects <= REDIRECTS_MAX; redirects++) {
    const answer = await get(url, limits, signal);
    if (!(answer instanceof URL)) return answer;
    url = answer;
  }
  throw new AppError('invalid_request', `The page redirects more than ${REDIRECTS_MAX} times.`, {
    param: 'url',
  });
}

/** The page, or where it is instead. */
async function get(url: URL, { guard, bytesMax }: Limits, signal: AbortSignal): Promise<FetchedPage | URL> {
  // A connection of its own, checked for its own address.
  const client = new Client(url.origin, {
    connect: createServerConnector(() => CONNECT_LIMIT_MS, guard),
    headersTimeout: 0,
    bodyTimeout: 0,
  });
  try {
    const { statusCode, headers, body } = await client.request({
      method: 'GET',
      path: url.pathname + url.search,
      headers: { 'user-agent': 'citadel', accept: '*/*', 'accept-encoding': 'identity' },
      signal,
    });
    const location = headers.location;
    if (REDIRECTS.has(statusCode) && typeof location === 'string') {
      body.on('error', () => {}).destroy();
      return parseCallerUrl(location, url.href);
    }
    requirePage(statusCode, headers['content-encoding']);
    const bytes = await readBytes(body, bytesMax);
    const type = headers['content-type'];
    return { url: url.href, bytes, mediaType: typeof type === 'string' ? type : null };
  } finally {
    await client.destroy();
  }
}

function requirePage(status: number, encoding: string | string[] | undefined): void {
  if (status < 200 || status > 299) {
    const mayPass = status >= 500 || MAY_PASS.has(status);
    throw new AppError(mayPass ? 'bad_backend' : 'invalid_request', `The page's server answered ${status}.`);
  }
  if (encoding !== undefined && encoding !== 'identity') {
    throw new AppError(
      'invalid_request',
      "The page's server sends it packed although that was not asked for.",
    );
  }
}

async function readBytes(body: Dispatcher.ResponseData['body'], bytesMax: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of body) {
    size += part.length;
    if (size > bytesMax) {
      throw new AppError('payload_too_large', `The page is larger than ${bytesMax} bytes.`);
    }
    parts.push(part);
  }
  return Buffer.concat(parts);
}
