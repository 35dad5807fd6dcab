import { AppError } from '../core/errors.ts';
import type { KeyRole } from '../core/schemas/api-key.ts';
import { type Principal, principalOf } from './authenticator.ts';
import type { KeyRing } from './key-ring.ts';

/** Keys by their names: for work whose caller has gone. Both throw AppError `store_unavailable` while the store's keys
 *  have never been read. */
export interface KeyHolders {
  /** Who the work is done for. What was accepted of a key that has ended since is done, within that key's limits. */
  holderOf(keyName: string): Principal;
  /** Why the key may start nothing any more; null while it may. */
  whyEnded(keyName: string): string | null;
}

interface KeyHoldersOptions {
  /** The configuration's keys. */
  configured: readonly { name: string; role: KeyRole }[];
  ring: Pick<KeyRing, 'isRead' | 'findName'>;
  /** Unix ms. */
  now: () => number;
}

export function createKeyHolders({ configured, ring, now }: KeyHoldersOptions): KeyHolders {
  const roles = new Map(configured.map(({ name, role }) => [name, role]));

  return {
    holderOf(keyName) {
      const record = find(keyName);
      return record
        ? principalOf(record)
        : { keyName, role: roles.get(keyName) ?? 'user', weight: 1, limits: null };
    },
    whyEnded(keyName) {
      const record = find(keyName);
      if (roles.has(keyName)) return null;
      if (!record) return `The API key \`${keyName}\` is not known any more.`;
      if (record.revokedAt !== null) return `The API key \`${keyName}\` was revoked.`;
      const hasExpired = record.expiresAt !== null && record.expiresAt.getTime() <= now();
      return hasExpired ? `The API key \`${keyName}\` has expired.` : null;
    },
  };

  function find(keyName: string) {
    if (roles.has(keyName)) return null;
    if (ring.isRead()) return ring.findName(keyName);
    throw new AppError('store_unavailable', 'The API keys cannot be read now.', { retryAfterSeconds: 2 });
  }
}
