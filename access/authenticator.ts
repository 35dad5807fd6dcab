import { timingSafeEqual } from 'node:crypto';
import { AppError } from '../core/errors.ts';
import type { KeyRole } from '../core/schemas/api-key.ts';
import { digestOf } from './issue-key.ts';
import type { KeyRing } from './key-ring.ts';
import type { KeyLimits, KeyRecord } from './key-store.ts';

/** Who makes a request. `keyName` is null where there are no keys: then every caller may do everything. */
export interface Principal {
  keyName: string | null;
  role: KeyRole;
  /** Its part beside other keys where callers wait. */
  weight: number;
  /** What the key is held to, and the name under which that is counted; null for keys that are held to nothing. */
  limits: (KeyLimits & { keyId: string }) | null;
}

/** A key of the configuration. */
interface ApiKey {
  name: string;
  role: KeyRole;
  key: string;
}

export interface Authenticator {
  /** Whether callers need a key at all: from the first key on, however many of them are revoked later. */
  readonly required: boolean;
  /** Who brings this key, or null. Throws AppError `store_unavailable` for a key that only the store can tell of, while
   *  its keys have never been read. */
  identify(key: string | undefined): Principal | null;
}

interface AuthenticatorOptions {
  /** The configuration's keys. */
  keys: readonly ApiKey[];
  ring: Pick<KeyRing, 'isRead' | 'size' | 'find'>;
  /** An admin's key that does not count as one: it is this process's own, for whoever may read its data directory. */
  operatorKey?: string | undefined;
  /** Whether callers may do without a key while there is none: only where nobody else can reach us. */
  openWithoutKeys: boolean;
  /** Unix ms. */
  now: () => number;
}

const ANYONE: Principal = { keyName: null, role: 'admin', weight: 1, limits: null };

export function createAuthenticator({
  keys,
  ring,
  operatorKey,
  openWithoutKeys,
  now,
}: AuthenticatorOptions): Authenticator {
  const operatorDigest = operatorKey === undefined ? '' : digestOf(operatorKey);
  const configured = new Map(
    keys.map(({ name, role, key }): [string, Principal] => [
      digestOf(key),
      { keyName: name, role, weight: 1, limits: null },
    ]),
  );
  // One per key, so that a request makes no new objects.
  const principals = new WeakMap<KeyRecord, Principal>();

  const isRequired = () => !openWithoutKeys || configured.size > 0 || ring.size() > 0 || !ring.isRead();

  return {
    get required() {
      return isRequired();
    },
    identify(key) {
      if (!isRequired()) return ANYONE;
      const principal = key === undefined ? null : find(digestOf(key));
      if (principal) return principal;
      if (ring.isRead() || (key === undefined && configured.size > 0)) return null;
      throw new AppError('store_unavailable', 'The API keys cannot be read now. Try again shortly.', {
        retryAfterSeconds: 2,
      });
    },
  };

  // How long it takes to find a digest says something of digests at most, and nobody can make a key for a digest.
  function find(digest: string): Principal | null {
    const known = configured.get(digest);
    if (known) return known;
    const record = ring.find(digest);
    if (!record) return isSame(digest, operatorDigest) ? ANYONE : null;
    if (!isSame(digest, record.digest) || !isValid(record)) return null;
    let principal = principals.get(record);
    if (!principal) {
      principal = principalOf(record);
      principals.set(record, principal);
    }
    return principal;
  }

  function isValid({ revokedAt, expiresAt }: KeyRecord): boolean {
    return revokedAt === null && (expiresAt === null || expiresAt.getTime() > now());
  }
}

function isSame(digest: string, other: string): boolean {
  return digest.length === other.length && timingSafeEqual(Buffer.from(digest), Buffer.from(other));
}

/** Whoever brings this key. */
export function principalOf(record: KeyRecord): Principal {
  const { id, name, role, weight } = record;
  const { requestsPerMinute, tokensPerMinute, maxConcurrency, models, tokenBudget } = record;
  const limits = { keyId: id, requestsPerMinute, tokensPerMinute, maxConcurrency, models, tokenBudget };
  return { keyName: name, role, weight, limits };
}
