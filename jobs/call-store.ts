import type { JobId } from '../core/ids.ts';
import type { LedgerEntry } from './ledger-store.ts';

/** A call that has ended, and for which its caller waited. */
export type EndedCall = Omit<LedgerEntry, 'requestId' | 'chargedTokens' | 'tags' | 'isWaited'>;

interface CallQuery {
  limit: number;
  /** Those that came before this one, or before this run. */
  after: string | null;
  outcome: LedgerEntry['outcome'] | null;
  endpoint: string | null;
  model: string | null;
  since: Date | null;
  until: Date | null;
  /** Only this key's; undefined: all. */
  keyName: string | null | undefined;
}

/** Reads the ledger's calls. A call is in it once it has ended. */
export interface CallStore {
  /** The newest first; one more than `limit` where there are more. */
  list(query: CallQuery): Promise<EndedCall[]>;
  get(id: JobId): Promise<EndedCall | null>;
}
