import type { RunId } from '../core/ids.ts';

/** A webhook whose time has come. */
export interface DueWebhook {
  /** The same for each attempt to deliver it: receivers know a repeat by it. */
  id: string;
  /** The run's, or the ingest's. */
  runId: RunId;
  /** Such as `job.succeeded`. */
  event: string;
  /** The events that its receiver wants to hear of; null: all. */
  events: readonly string[] | null;
  /** When the event took place. */
  createdAt: Date;
  /** Attempts so far. */
  attempts: number;
  url: string;
  secret: string | null;
}

/** Webhooks that are to be sent: written by the commit that ended their run, so that none is lost. */
export interface WebhookOutbox {
  /** The oldest of those that are due, by the database's clock. They are this process's for `leaseMs`; then they are due
   *  again. */
  take(max: number, leaseMs: number): Promise<DueWebhook[]>;
  delivered(id: string): Promise<void>;
  /** One more attempt has failed. `retryInMs` null: it is given up. */
  failed(id: string, reason: string, retryInMs: number | null): Promise<void>;
}
