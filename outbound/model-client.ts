import type { Dispatcher } from 'undici';
import { BackendFailure } from '../core/backend-failure.ts';
import type { ModelCall, ModelClient, ServerAddress } from '../servers/model-client.ts';
import type { AddressGuard } from './address-guard.ts';
import { ModelExchange } from './model-exchange.ts';
import { createOriginPools } from './origin-pools.ts';
import { requestReport } from './server-report.ts';

interface ModelClientOptions {
  /** What may be called. */
  guard: AddressGuard;
  /** Connections to one server at once; further calls wait for one of them. 1024 unless told. */
  connectionsPerServer?: number;
}

/**
 * Speaks to model servers over HTTP/1.1, connections kept alive. `close` destroys every connection (calls that still
 * run fail) and may be called twice.
 */
export function createModelClient({
  guard,
  connectionsPerServer,
}: ModelClientOptions): ModelClient & { close(): Promise<void> } {
  const pools = createOriginPools(guard, connectionsPerServer);
  let closing: Promise<void> | undefined;

  function acquire(origin: string, connectMs: number) {
    if (closing) throw new BackendFailure('unreachable', 'Citadel is shutting down.');
    return pools.acquire(origin, connectMs);
  }

  return {
    async call(call, signal) {
      signal.throwIfAborted();
      const pool = acquire(call.server.origin, call.limits.connectMs);
      const request = toRequest(call);
      const exchange = new ModelExchange({
        limits: call.limits,
        signal,
        resend: (again) => pool.dispatchFresh(request, again),
        onClosed: pool.release,
      });
      pool.dispatch(request, exchange);
      return exchange.result;
    },

    async report(server, timeoutMs, signal) {
      const pool = acquire(server.origin, timeoutMs);
      try {
        return await requestReport({
          request: pool.request,
          server,
          headers: authorization(server),
          timeoutMs,
          signal,
        });
      } finally {
        pool.release();
      }
    },

    close() {
      closing ??= pools.close();
      return closing;
    },
  };
}

const HEADERS = [
  ['content-type', 'application/json'],
  ['accept', 'text/event-stream, application/json'],
  ['accept-encoding', 'identity'],
  ['user-agent', 'citadel'],
].flat();

function toRequest({ server, path, body, idempotencyKey, trace }: ModelCall): Dispatcher.DispatchOptions {
  const headers = HEADERS.concat(authorization(server));
  if (idempotencyKey !== undefined) headers.push('idempotency-key', idempotencyKey);
  if (trace) headers.push('traceparent', trace.traceparent);
  if (trace?.tracestate !== undefined) headers.push('tracestate', trace.tracestate);
  return {
    method: 'POST',
    path: `${server.basePath.replace(/\/$/, '')}${path}`,
    headers,
    body,
  };
}

function authorization({ apiKey }: ServerAddress): string[] {
  return apiKey === undefined ? [] : ['authorization', `Bearer ${apiKey}`];
}
