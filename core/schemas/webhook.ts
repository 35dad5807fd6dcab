import { z } from 'zod';

const SECRET_PREFIX = 'whsec_';
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const SECRET_BYTES_MIN = 24;
const SECRET_BYTES_MAX = 64;

/** What a webhook is signed with, as Standard Webhooks writes it: `whsec_` and 24 to 64 bytes in base64. */
export const WebhookSecret = z
  .string()
  .refine(
    isSecret,
    `takes whsec_ and ${SECRET_BYTES_MIN} to ${SECRET_BYTES_MAX} random bytes in base64, such as whsec_$(openssl rand -base64 32)`,
  );

/** The bytes of a secret that is right. */
export function secretBytes(secret: string): Buffer {
  return Buffer.from(secret.slice(SECRET_PREFIX.length), 'base64');
}

function isSecret(text: string): boolean {
  if (!text.startsWith(SECRET_PREFIX) || !BASE64.test(text.slice(SECRET_PREFIX.length))) return false;
  const { length } = secretBytes(text);
  return length >= SECRET_BYTES_MIN && length <= SECRET_BYTES_MAX;
}

const WEBHOOK_EVENTS = [
  'job.succeeded',
  'job.failed',
  'job.cancelled',
  'run.succeeded',
  'run.failed',
  'run.cancelled',
  'ingest.completed',
  'ingest.failed',
] as const;

/** Where to tell how accepted work ended, and of which ends (all of them unless told). */
export const WebhookRequest = z.strictObject({
  url: z
    .string()
    .max(2_048)
    .refine(isWebUrl, 'takes a URL that begins with https:// or http://, without a user name in it'),
  events: z.array(z.enum(WEBHOOK_EVENTS)).min(1).max(WEBHOOK_EVENTS.length).optional(),
  secret: WebhookSecret.optional(),
});
export type WebhookRequest = z.infer<typeof WebhookRequest>;

function isWebUrl(text: string): boolean {
  const url = URL.parse(text);
  if (!url || !['http:', 'https:'].includes(url.protocol)) return false;
  return url.hostname !== '' && url.username === '' && url.password === '';
}
