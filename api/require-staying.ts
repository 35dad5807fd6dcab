import type { Principal } from '../access/authenticator.ts';
import type { KeyRing } from '../access/key-ring.ts';
import { AppError } from '../core/errors.ts';

/** Neither this process nor the caller's key has been ended since the request's head came. */
export function requireStaying(
  { isLeaving, keyRing }: { isLeaving(): boolean; keyRing: Pick<KeyRing, 'isRevoked'> },
  { limits }: Principal,
): void {
  if (isLeaving()) throw new AppError('overloaded', 'Citadel is shutting down.', { retryAfterSeconds: 5 });
  if (limits && keyRing.isRevoked(limits.keyId)) throw keyRevoked();
}

export const keyRevoked = () => new AppError('invalid_api_key', 'This API key was revoked.');
