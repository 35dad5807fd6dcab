import { AppError } from '../core/errors.ts';
import { type AddressGuard, createAddressGuard } from './address-guard.ts';

/** For what callers have Citadel call (webhooks, http steps): public addresses, and those in `networks` (`loopback`,
 *  `private`, CIDRs). */
export function createOutboundGuard(networks: readonly string[]): AddressGuard {
  const refused = () => new AppError('forbidden', 'This address may not be called (CITADEL_OUTBOUND_ALLOW).');
  return createAddressGuard(networks, { withPublic: true, refused });
}
