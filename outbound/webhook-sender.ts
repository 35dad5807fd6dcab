import { Client } from 'undici';
import { BackendFailure } from '../core/backend-failure.ts';
import { AppError } from '../core/errors.ts';
import type { WebhookSender } from '../workflows/webhook-delivery.ts';
import type { AddressGuard } from './address-guard.ts';
import { withTimeout } from './json-request.ts';
import { parseRetryAfter } from './retry-after.ts';
import { createServerConnector } from './server-connector.ts';

const LIMIT_MS = 10_000;

/** Sends one webhook over a connection of its own, within 10 s, to addresses that `guard` allows; follows no redirect. */
export function createWebhookSender(guard: AddressGuard, limitMs = LIMIT_MS): WebhookSender {
  return async (request) => {
    const { origin, pathname, search } = new URL(request.url);
    const client = new Client(origin, {
      connect: createServerConnector(() => limitMs, guard),
      headersTimeout: 0,
      bodyTimeout: 0,
    });
    try {
      return await withTimeout(limitMs, async (signal) => {
        const { statusCode, headers, body } = await client.request({
          method: 'POST',
          path: pathname + search,
          headers: { 'content-type': 'application/json', 'user-agent': 'citadel', ...request.headers },
          body: request.body,
          signal,
        });
        // What it says beside its status is of no use to us.
        body.on('error', () => {}).destroy();
        return {
          status: statusCode,
          retryAfterSeconds: parseRetryAfter(headers['retry-after'], new Date()) ?? null,
        };
      });
    } catch (error) {
      return { status: null, reason: reasonOf(error) };
    } finally {
      await client.destroy();
    }
  };
}

function reasonOf(error: unknown): string {
  if (error instanceof AppError) return error.message;
  const isLate = error instanceof BackendFailure && error.kind === 'timeout';
  return isLate ? 'it did not answer in time' : 'it could not be reached';
}
