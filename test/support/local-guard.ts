import { createAddressGuard } from '../../outbound/address-guard.ts';

/** The guard as it is by default: loopback and private networks. */
export const LOCAL_GUARD = createAddressGuard(['loopback', 'private']);
