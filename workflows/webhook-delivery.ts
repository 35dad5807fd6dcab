// I1: a webhook is delivered at least once, or given up after about a day; each attempt has the same id.
// I2: what it is signed with is in no log and no answer.
import { createHmac } from 'node:crypto';
import { failPoint } from '../core/fail-point.ts';
import type { Logger } from '../core/logger.ts';
import { secretBytes } from '../core/schemas/webhook.ts';
import type { RunSummary } from './run-record.ts';
import type { Runs } from './runs.ts';
import type { DueWebhook, WebhookOutbox } from './webhook-outbox.ts';

/** Sends one request, within a limit; never throws. `status` null: there was no answer. */
export type WebhookSender = (request: {
  url: string;
  headers: Record<string, string>;
  body: string;
}) => Promise<{ status: number; retryAfterSeconds: number | null } | { status: null; reason: string }>;

export interface WebhookDelivery {
  /** Sends what is due, as far as there is room; resolves when each of these has been answered or has failed. Throws what
   *  the outbox threw. */
  tick(): Promise<void>;
  /** As `tick`, but waits for no answer: a receiver that is slow holds nothing else up. Never throws. */
  kick(): void;
}

interface WebhookDeliveryOptions {
  outbox: WebhookOutbox;
  runs: Pick<Runs, 'summary'>;
  /** What is said of an ingest; null where it is gone. */
  describeIngest?: (id: string) => Promise<object | null>;
  send: WebhookSender;
  /** Signs webhooks that bring no secret of their own. */
  secret: string | undefined;
  /** Unix ms. */
  now: () => number;
  /** 0..1, for jitter. */
  random: () => number;
  logger: Logger;
}

const AT_ONCE_MAX = 32;
/** Longer than an attempt may take. */
const LEASE_MS = 60_000;
const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
/** Before the second attempt and each further one: about a day in all. */
const DELAYS_MS = [
  5 * SECOND_MS,
  30 * SECOND_MS,
  2 * MINUTE_MS,
  10 * MINUTE_MS,
  30 * MINUTE_MS,
  HOUR_MS,
  3 * HOUR_MS,
  6 * HOUR_MS,
  12 * HOUR_MS,
];
const JITTER = 0.2;
const GONE = 410;

export function createWebhookDelivery(options: WebhookDeliveryOptions): WebhookDelivery {
  const { outbox, send, secret, now, random, logger } = options;
  let underWay = 0;

  return {
    tick,
    kick() {
      tick().catch((error) => logger.debug('webhooks cannot be looked for', { error }));
    },
  };

  async function tick(): Promise<void> {
    const room = AT_ONCE_MAX - underWay;
    if (room <= 0) return;
    const due = await outbox.take(room, LEASE_MS);
    await Promise.all(due.map(deliver));
  }

  async function deliver(webhook: DueWebhook): Promise<void> {
    underWay++;
    try {
      await attempt(webhook);
    } catch (error) {
      // Its lease lapses, and then it is due again.
      logger.warn('a webhook could not be looked after', { webhook: webhook.id, error: error as Error });
    } finally {
      underWay--;
    }
  }

  async function attempt(webhook: DueWebhook): Promise<void> {
    if (webhook.events && !webhook.events.includes(webhook.event)) {
      await outbox.delivered(webhook.id);
      return;
    }
    const key = webhook.secret ?? secret;
    const data = await describe(options, webhook);
    if (!data || key === undefined) {
      await outbox.failed(webhook.id, data ? 'there is no secret to sign it with' : 'its run is gone', null);
      return;
    }
    const body = JSON.stringify({ type: webhook.event, timestamp: webhook.createdAt.toISOString(), data });
    const answer = await send({ url: webhook.url, headers: sign(webhook.id, body, key, now()), body });
    failPoint('webhook.sent');
    if (answer.status !== null && answer.status >= 200 && answer.status < 300) {
      await outbox.delivered(webhook.id);
      return;
    }
    const reason = answer.status === null ? answer.reason : `it answered ${answer.status}`;
    const askedMs = (answer.status === null ? null : (answer.retryAfterSeconds ?? 0)) ?? 0;
    const delayMs = answer.status === GONE ? null : delayAfter(webhook.attempts + 1, random());
    const retryInMs = delayMs === null ? null : Math.max(delayMs, askedMs * SECOND_MS);
    logger.info(retryInMs === null ? 'a webhook was given up' : 'a webhook was not delivered', {
      webhook: webhook.id,
      run: webhook.runId,
      attempt: webhook.attempts + 1,
      reason,
      retryInMs,
    });
    await outbox.failed(webhook.id, reason, retryInMs);
  }
}

/** How long to wait after the attempt of this number; null when it was the last. */
function delayAfter(attempt: number, random: number): number | null {
  const delayMs = DELAYS_MS[attempt - 1];
  return delayMs === undefined ? null : Math.round(delayMs * (1 + JITTER * (2 * random - 1)));
}

/** The headers of Standard Webhooks: its id, the time of this attempt, and the signature over both and the body. */
function sign(id: string, body: string, secret: string, nowMs: number): Record<string, string> {
  const timestamp = String(Math.floor(nowMs / SECOND_MS));
  const signature = createHmac('sha256', secretBytes(secret)).update(`${id}.${timestamp}.${body}`);
  return {
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': `v1,${signature.digest('base64')}`,
  };
}

const INGEST = 'ingest.';

/** What it says: which work ended, and how. The result is to be fetched. Null where that is gone. */
async function describe(
  { runs, describeIngest }: WebhookDeliveryOptions,
  { runId, event }: DueWebhook,
): Promise<object | null> {
  if (event.startsWith(INGEST)) return (await describeIngest?.(runId)) ?? null;
  const run = await runs.summary(runId);
  return run && toData(event, run);
}

function toData(event: string, run: RunSummary): object {
  return {
    id: run.id,
    object: run.kind === 'job' ? 'job' : 'workflow.run',
    [run.kind === 'job' ? 'kind' : 'workflow']: run.workflow,
    status: event.slice(event.indexOf('.') + 1),
    error: run.error && { code: run.error.code, message: run.error.message },
    tags: run.tags,
    created_at: run.createdAt.toISOString(),
    ended_at: run.endedAt?.toISOString() ?? null,
  };
}
