import { createKeyGate, type KeyGate } from '../access/key-gate.ts';
import { createKeyHolders, type KeyHolders } from '../access/key-holders.ts';
import { createKeyPlaces } from '../access/key-places.ts';
import { createKeyRing, type KeyRing } from '../access/key-ring.ts';
import type { KeyStore } from '../access/key-store.ts';
import { createQuotaBlocks } from '../access/quota-blocks.ts';
import { createTokenBudgets } from '../access/token-budgets.ts';
import type { Config } from '../core/config.ts';
import type { Lifecycle } from '../core/lifecycle.ts';
import type { Logger } from '../core/logger.ts';
import type { Ledger } from '../jobs/ledger.ts';
import { createPostgresKeyStore } from '../storage/postgres-key-store.ts';
import type { Queues, Store } from './stores.ts';

const EMBEDDED_LOOK_MS = 5_000;

interface KeySideDeps {
  config: Config;
  store: Store;
  queues: Queues;
  ledger: Ledger;
  life: Lifecycle;
  logger: Logger;
}

/** What the keys may: for whoever calls, and for accepted work, in every process that does such. */
export interface KeySide {
  keyGate: KeyGate;
  keyRing: KeyRing;
  keyStore: KeyStore;
  keyHolders: KeyHolders;
}

export async function openKeySide(deps: KeySideDeps): Promise<KeySide> {
  const { config, store, queues, ledger, life, logger } = deps;
  const keyStore = createPostgresKeyStore(store);
  const budgets = createTokenBudgets({ store: keyStore, flushLedger: ledger.flush, now: Date.now });
  const keyRing = createKeyRing({
    store: keyStore,
    prepare: budgets.refresh,
    logger,
    // Nobody else writes into a directory of ours, and what this process writes it is told of.
    ...(store.kind === 'pglite' ? { intervalMs: EMBEDDED_LOOK_MS } : {}),
  });
  await keyRing.start();
  life.defer('keys', () => keyRing.stop());
  const unsubscribe = queues.bus.subscribe(({ kind }) => {
    // What fails now is read again within a second.
    if (kind === 'keys-changed') keyRing.refresh().catch(() => {});
  });
  life.defer('news of keys', unsubscribe);
  const now = () => performance.now();
  const places = createKeyPlaces(queues.leases);
  life.defer('places of keys', () => places.stop());
  const quotas = createQuotaBlocks({ windows: queues.quotas, now });
  return {
    keyGate: createKeyGate({ quotas, leases: queues.leases, places, budgets, now }),
    keyRing,
    keyStore,
    keyHolders: createKeyHolders({ configured: config.apiKeys, ring: keyRing, now: Date.now }),
  };
}
