import { type Authenticator, createAuthenticator } from '../access/authenticator.ts';
import { createSessions, type Sessions } from '../access/sessions.ts';
import { type Config, isLoopback } from '../core/config.ts';
import { ConfigError } from '../core/config-error.ts';
import type { KeySide } from './key-side.ts';
import type { Queues } from './stores.ts';

interface AccessSideDeps {
  config: Config;
  queues: Queues;
  keys: KeySide;
  operatorKey: string | undefined;
}

export interface AccessSide extends Pick<KeySide, 'keyGate' | 'keyRing' | 'keyStore'> {
  authenticator: Authenticator;
  /** Of the operator page. */
  sessions: Sessions;
  configuredKeyNames: readonly string[];
  announceKeys(): Promise<void>;
}

/** Who may call. Throws ConfigError where anybody could: bound to more than this machine, with no key. */
export function openAccessSide({ config, queues, keys, operatorKey }: AccessSideDeps): AccessSide {
  const { keyGate, keyRing, keyStore } = keys;
  const openWithoutKeys = isLoopback(config.host);
  if (!openWithoutKeys && config.apiKeys.length === 0 && keyRing.isRead() && keyRing.size() === 0) {
    throw new ConfigError([
      `HOST=${config.host} would let anyone call Citadel: make a key (citadel keys create), set CITADEL_API_KEYS (name:role:key,…), or bind to 127.0.0.1.`,
    ]);
  }
  const known = { keys: config.apiKeys, ring: keyRing, now: Date.now };
  const authenticator = createAuthenticator({ ...known, operatorKey, openWithoutKeys });
  return {
    authenticator,
    sessions: createSessions({ ...known, authenticator }),
    ...{ keyGate, keyRing, keyStore },
    configuredKeyNames: config.apiKeys.map(({ name }) => name),
    async announceKeys() {
      // The change is in the store: whoever is not told reads it within a second.
      await keyRing.refresh().catch(() => {});
      await queues.bus.broadcast({ kind: 'keys-changed' }).catch(() => {});
    },
  };
}
