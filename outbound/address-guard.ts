import { lookup as lookupHost } from 'node:dns';
import { BlockList, isIP, isIPv6, type LookupFunction } from 'node:net';
import { BackendFailure } from '../core/backend-failure.ts';

/** Decides which addresses may be called. */
export interface AddressGuard {
  /** Whether an IP address, without brackets, may be called. Anything else may not. */
  allows(address: string): boolean;
  /** Whether a host may be called, by its address or by every address that its name has now; a name that has none
   *  within 2 s passes, for each connection is checked again. */
  allowsHost(hostname: string): Promise<boolean>;
  /** As `dns.lookup`; fails with BackendFailure when any address of the name is one that may not be called. */
  lookup: LookupFunction;
  /** The failure of a call to an address that may not be called. */
  refused(): Error;
}

// Link-local, where clouds keep their metadata; metadata elsewhere; what names no single other machine; and IPv6 that
// is translated to some IPv4 on the way.
const NEVER = [
  '169.254.0.0/16',
  'fe80::/10',
  'fec0::/10',
  'fd00:ec2::254/128',
  'fd20:ce::254/128',
  '100.100.100.200/32',
  '192.0.0.192/32',
  '168.63.129.16/32',
  '0.0.0.0/8',
  '224.0.0.0/4',
  '240.0.0.0/4',
  '::/128',
  '::ffff:0:0:0/96',
  'ff00::/8',
  '64:ff9b::/96',
  '64:ff9b:1::/48',
  '2001::/32',
  '2002::/16',
];
const NAMED = {
  loopback: ['127.0.0.0/8', '::1/128'],
  private: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'],
} as const satisfies Record<string, string[]>;

// Addresses of IANA's special-purpose registries that are in no other list: no public host is there.
const NOT_PUBLIC = [
  ...NAMED.loopback,
  ...NAMED.private,
  '100.64.0.0/10',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '2001::/23',
  '2001:db8::/32',
  '3fff::/20',
];
// Of IPv6, only these addresses are given out to the public.
const PUBLIC = ['0.0.0.0/0', '2000::/3'];

const LOOKUP_LIMIT_MS = 2_000;

interface GuardOptions {
  lookup?: LookupFunction;
  /** Whether every public address may be called besides. */
  withPublic?: boolean;
  refused?: () => Error;
}

/** `networks`: `loopback`, `private`, or CIDRs. Addresses of NEVER stay out, whatever they say. */
export function createAddressGuard(
  networks: readonly string[],
  { lookup = lookupHost as LookupFunction, withPublic = false, refused = noModelServer }: GuardOptions = {},
): AddressGuard {
  const never = toBlockList(NEVER);
  const publicOnes = toBlockList(PUBLIC);
  const notPublic = toBlockList(NOT_PUBLIC);
  const allowed = toBlockList(
    networks.flatMap((network) => [...(NAMED[network as keyof typeof NAMED] ?? [network])]),
  );

  function allows(address: string): boolean {
    const plain = toPlainAddress(address);
    if (plain === null) return false;
    const family = isIPv6(plain) ? 'ipv6' : 'ipv4';
    if (never.check(plain, family)) return false;
    if (allowed.check(plain, family)) return true;
    return withPublic && publicOnes.check(plain, family) && !notPublic.check(plain, family);
  }

  return {
    allows,
    refused,

    async allowsHost(hostname) {
      const bare = hostname.replace(/^\[(.*)\]$/, '$1');
      if (isIP(bare) > 0) return allows(bare);
      const addresses = await lookupAll(bare, lookup);
      return addresses.every(allows);
    },

    lookup(hostname, options, callback) {
      lookup(hostname, { ...options, all: true }, (error, found) => {
        if (error) return callback(error, []);
        const addresses = toList(found);
        // All or none: a name that stands for both sides is up to something.
        if (addresses.length === 0 || !addresses.every(({ address }) => allows(address))) {
          return callback(refused(), []);
        }
        if (options.all) return callback(null, addresses);
        callback(null, addresses[0]?.address ?? '', addresses[0]?.family);
      });
    },
  };
}

function noModelServer(): BackendFailure {
  return new BackendFailure(
    'unreachable',
    'The model server is in none of the networks that Citadel may call (networks.servers).',
  );
}

/** An IPv4-mapped address as the IPv4 that is called; null for what is no address in full. */
function toPlainAddress(address: string): string | null {
  if (isIP(address) === 0 || address.includes('%')) return null;
  if (!isIPv6(address)) return address;
  // The URL parser writes every IPv6 address in its one short form, `::ffff:7f00:1` for all spellings of that one.
  const short = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const [, high, low] = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(short) ?? [];
  if (high !== undefined && low !== undefined) return toIPv4(high, low);
  // IPv4-compatible (`::7f00:1`), long out of use: no server is there.
  return /^::[0-9a-f]{1,4}:[0-9a-f]{1,4}$/.test(short) ? null : short;
}

function toIPv4(high: string, low: string): string {
  const bytes = Buffer.from(high.padStart(4, '0') + low.padStart(4, '0'), 'hex');
  return [...bytes].join('.');
}

function toBlockList(cidrs: readonly string[]): BlockList {
  const list = new BlockList();
  for (const cidr of cidrs) {
    const [address = '', prefix = ''] = cidr.split('/');
    list.addSubnet(address, Number(prefix), isIPv6(address) ? 'ipv6' : 'ipv4');
  }
  return list;
}

async function lookupAll(hostname: string, lookup: LookupFunction): Promise<string[]> {
  let timer: NodeJS.Timeout | undefined;
  const found = new Promise<string[]>((resolve) => {
    timer = setTimeout(() => resolve([]), LOOKUP_LIMIT_MS);
    lookup(hostname, { all: true }, (error, addresses) => {
      resolve(error ? [] : toList(addresses).map(({ address }) => address));
    });
  });
  try {
    return await found;
  } finally {
    clearTimeout(timer);
  }
}

function toList(found: Parameters<Parameters<LookupFunction>[2]>[1]): { address: string; family: number }[] {
  if (Array.isArray(found)) return found;
  return [{ address: found, family: isIPv6(found) ? 6 : 4 }];
}
