import type { IncomingHttpHeaders } from 'node:http';
import { Client, type Dispatcher } from 'undici';
import { AppError } from '../core/errors.ts';
import type { HttpCallAnswer, HttpCallRequest, HttpCalls } from '../workflows/http-calls.ts';
import type { AddressGuard } from './address-guard.ts';
import { createByteCollector } from './byte-collector.ts';
import { parseCallerUrl } from './caller-url.ts';
import { createOutboundGuard } from './outbound-guard.ts';
import { parseRetryAfter } from './retry-after.ts';
import { createServerConnector } from './server-connector.ts';

const CONNECT_LIMIT_MS = 5_000;
const SECONDS_SHOWN_MAX = 60;

/** Calls of what callers name: public addresses, and those in `networks` (`loopback`, `private`, CIDRs). */
export function createHttpCalls(networks: readonly string[]): HttpCalls {
  const guard = createOutboundGuard(networks);

  return {
    async call(request, signal) {
      const url = parseCallerUrl(request.url);
      const late = new AppError('deadline_exceeded', `There was no answer within ${request.timeoutMs} ms.`);
      const limit = new AbortController();
      const timer = setTimeout(() => limit.abort(late), request.timeoutMs);
      try {
        return await send({ request, url, guard }, AbortSignal.any([signal, limit.signal]));
      } catch (error) {
        signal.throwIfAborted();
        if (limit.signal.aborted) throw late;
        if (error instanceof AppError) throw error;
        throw new AppError('bad_backend', 'The server could not be reached, or broke off.', { cause: error });
      } finally {
        clearTimeout(timer);
      }
    },
  };
}

interface Sending {
  request: HttpCallRequest;
  url: URL;
  guard: AddressGuard;
}

async function send({ request, url, guard }: Sending, signal: AbortSignal): Promise<HttpCallAnswer> {
  // A connection of its own: calls of many hosts would otherwise keep many open.
  const client = new Client(url.origin, {
    connect: createServerConnector(() => CONNECT_LIMIT_MS, guard),
    headersTimeout: 0,
    bodyTimeout: 0,
  });
  try {
    const { statusCode, headers, body } = await client.request({
      method: request.method as Dispatcher.HttpMethod,
      path: url.pathname + url.search,
      headers: { 'user-agent': 'citadel', 'accept-encoding': 'identity', ...request.headers },
      body: request.body,
      signal,
    });
    const text = await readText(body, request.bytesMax);
    const retryAfter = parseRetryAfter(headers['retry-after'], new Date());
    return {
      status: statusCode,
      headers: toPlain(headers),
      body: text,
      retryAfterSeconds: retryAfter === undefined ? undefined : Math.min(retryAfter, SECONDS_SHOWN_MAX),
    };
  } finally {
    await client.destroy();
  }
}

async function readText(body: Dispatcher.ResponseData['body'], bytesMax: number): Promise<string> {
  const collector = createByteCollector();
  for await (const chunk of body) {
    collector.append(chunk);
    if (collector.sizeBytes > bytesMax) {
      throw new AppError('payload_too_large', `The answer is larger than ${bytesMax} bytes.`);
    }
  }
  return collector.text();
}

function toPlain(headers: IncomingHttpHeaders): Record<string, string> {
  const entries = Object.entries(headers).filter(([, value]) => value !== undefined);
  return Object.fromEntries(
    entries.map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : String(value)]),
  );
}
