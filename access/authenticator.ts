import { createHash, timingSafeEqual } from 'node:crypto';

type Role = 'user' | 'admin';

/** Who makes a request. `keyName` is null where no key is configured: then every caller may do everything. */
export interface Principal {
  keyName: string | null;
  role: Role;
}

export interface ApiKey {
  name: string;
  role: Role;
  key: string;
}

export interface Authenticator {
  /** Whether callers need a key at all. */
  readonly required: boolean;
  /** Who brings this key, or null. The time it takes does not depend on the keys. */
  identify(key: string | undefined): Principal | null;
}

const ANYONE: Principal = { keyName: null, role: 'admin' };

export function createAuthenticator(keys: readonly ApiKey[]): Authenticator {
  const known = keys.map(({ name, role, key }) => ({
    principal: { keyName: name, role },
    digest: digest(key),
  }));
  const required = known.length > 0;

  return {
    required,
    identify(key) {
      if (!required) return ANYONE;
      if (key === undefined) return null;
      const presented = digest(key);
      let found: Principal | null = null;
      for (const { principal, digest: expected } of known) {
        if (timingSafeEqual(presented, expected)) found = principal;
      }
      return found;
    },
  };
}

const digest = (key: string) => createHash('sha256').update(key).digest();
