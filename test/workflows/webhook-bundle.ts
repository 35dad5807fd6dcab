import type { RunId } from '../../core/ids.ts';
import { createLogger } from '../../core/logger.ts';
import { createOutboundGuard } from '../../outbound/outbound-guard.ts';
import { createWebhookSender } from '../../outbound/webhook-sender.ts';
import type { RunSummary } from '../../workflows/run-record.ts';
import { createWebhookDelivery } from '../../workflows/webhook-delivery.ts';
import type { DueWebhook, WebhookOutbox } from '../../workflows/webhook-outbox.ts';
import { startScriptedServer } from '../support/scripted-server.ts';

export const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;

const SUMMARY: RunSummary = {
  id: 'job_1' as RunId,
  kind: 'job',
  workflow: 'chat',
  definitionHash: '',
  status: 'succeeded',
  keyName: 'app',
  priority: 'normal',
  tags: ['nightly'],
  metadata: null,
  lastSeq: 3,
  tokens: 9,
  error: null,
  parent: null,
  forkedFrom: null,
  createdAt: new Date('2026-11-25T12:00:00Z'),
  startedAt: new Date('2026-11-25T12:00:01Z'),
  endedAt: new Date('2026-11-25T12:00:02Z'),
  deadlineAt: null,
};

interface Entry extends DueWebhook {
  dueMs: number | null;
  reason: string | null;
  delivered: boolean;
}

/** A delivery with a clock of its own, one webhook to send, and a receiver on the wire that answers what `statusAt` says
 *  for the time since the start, and nothing at /silent. */
export async function setupDelivery(statusAt: (sinceMs: number) => number, entry: Partial<DueWebhook> = {}) {
  const startMs = Date.parse('2026-11-25T12:00:02Z');
  let nowMs = startMs;
  const logLines: string[] = [];
  const receiver = await startScriptedServer({
    '/hook': (res) => res.writeHead(statusAt(nowMs - startMs), { location: '/elsewhere' }).end('thanks'),
    '/silent': () => {},
  });
  const webhook: Entry = {
    id: 'wh_1',
    runId: SUMMARY.id,
    event: 'job.succeeded',
    events: null,
    createdAt: new Date(nowMs),
    attempts: 0,
    url: `${receiver.origin}/hook`,
    secret: null,
    ...entry,
    ...(entry.url?.startsWith('/') ? { url: receiver.origin + entry.url } : {}),
    dueMs: nowMs,
    reason: null,
    delivered: false,
  };
  const outbox: WebhookOutbox = {
    async take() {
      if (webhook.dueMs === null || webhook.dueMs > nowMs) return [];
      webhook.dueMs = nowMs + 60_000;
      return [{ ...webhook }];
    },
    async delivered() {
      Object.assign(webhook, { delivered: true, dueMs: null });
    },
    async failed(_id, reason, retryInMs) {
      const dueMs = retryInMs === null ? null : nowMs + retryInMs;
      Object.assign(webhook, { reason, dueMs, attempts: webhook.attempts + 1 });
    },
  };
  const deliver = (allow: readonly string[] = ['127.0.0.1/32'], limitMs = 1_000) =>
    createWebhookDelivery({
      outbox,
      runs: { summary: async (id) => (id === SUMMARY.id ? SUMMARY : null) },
      send: createWebhookSender(createOutboundGuard(allow), limitMs),
      secret: SECRET,
      now: () => nowMs,
      random: () => 0.5,
      logger: createLogger({
        level: 'debug',
        pretty: false,
        destination: { write: (line) => logLines.push(line) },
      }),
    });
  return {
    webhook,
    receiver,
    logLines,
    deliver,
    /** Sets the clock to when the webhook is due next; false when it is never again. */
    advance() {
      if (webhook.dueMs === null) return false;
      nowMs = webhook.dueMs;
      return true;
    },
    sinceMs: () => nowMs - startMs,
  };
}
