import { hash, randomBytes } from 'node:crypto';
import { newKeyId } from '../core/ids.ts';
import type { NewApiKey } from '../core/schemas/api-key.ts';
import type { KeyRecord, KeySettings, KeyStore } from './key-store.ts';

/** Finds a key in texts and logs; what follows is 256 random bits. */
const PREFIX = 'ck_';
const KEY_BYTES = 32;
/** Of the random part, what stays readable: the key's owner knows it by that, and 220 bits are left to guess. */
const SHOWN_CHARS = 6;

export interface IssuedKey {
  record: KeyRecord;
  /** The key itself. It is kept nowhere. */
  key: string;
}

/** Makes a key and stores what it may do. Throws AppError `conflict` when there is one of that name. */
export async function issueKey(
  store: Pick<KeyStore, 'insert'>,
  wanted: NewApiKey,
  now: Date,
): Promise<IssuedKey> {
  const key = PREFIX + randomBytes(KEY_BYTES).toString('base64url');
  const record: KeyRecord = {
    id: newKeyId(),
    name: wanted.name,
    digest: digestOf(key),
    prefix: key.slice(0, PREFIX.length + SHOWN_CHARS),
    createdAt: now,
    revokedAt: null,
    ...toSettings(wanted),
  };
  await store.insert(record);
  return { record, key };
}

/**
 * The SHA-256 of a key, in hex: what is stored, and what is compared. A slow hash (scrypt, argon2) is for passwords,
 * which people choose and attackers can list. Nobody can list 256 random bits, and a request must not cost 100 ms.
 */
export function digestOf(key: string): string {
  return hash('sha256', key, 'hex');
}

function toSettings(wanted: NewApiKey): KeySettings {
  return {
    role: wanted.role,
    requestsPerMinute: wanted.requests_per_minute,
    tokensPerMinute: wanted.tokens_per_minute,
    maxConcurrency: wanted.max_concurrency,
    models: wanted.models,
    tokenBudget: wanted.token_budget,
    weight: wanted.weight,
    expiresAt: wanted.expires_at === null ? null : new Date(wanted.expires_at),
  };
}
