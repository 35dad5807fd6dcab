import pg from 'pg';

const BACKOFF_FIRST_MS = 50;
const BACKOFF_MAX_MS = 1_000;

interface Subscription {
  channel: string;
  onPayload: (payload: string) => void;
  /** Told of each lost connection and of each failed attempt at a new one. */
  onError: (error: Error) => void;
}

/**
 * LISTENs on a connection of its own, which is made anew when it drops. What is notified while it is away is lost:
 * whoever listens also looks by itself now and then. Throws when the first connection cannot be made.
 */
export async function listenOnPg(
  config: pg.ClientConfig,
  subscription: Subscription,
): Promise<() => Promise<void>> {
  let stopped = false;
  let backoffMs = BACKOFF_FIRST_MS;
  let retry: NodeJS.Timeout | undefined;
  let current: pg.Client | undefined;

  async function connect(): Promise<void> {
    const client = new pg.Client(config);
    current = client;
    client.on('error', subscription.onError);
    client.on('notification', (message) => {
      if (message.channel === subscription.channel && !stopped) subscription.onPayload(message.payload ?? '');
    });
    try {
      await client.connect();
      await client.query(`LISTEN ${pg.escapeIdentifier(subscription.channel)}`);
    } catch (error) {
      endQuietly(client);
      throw error;
    }
    backoffMs = BACKOFF_FIRST_MS;
    client.once('end', reconnectLater);
    if (stopped) endQuietly(client);
  }

  function reconnectLater(): void {
    if (stopped) return;
    retry = setTimeout(() => {
      connect().catch((error: Error) => {
        subscription.onError(error);
        reconnectLater();
      });
    }, backoffMs);
    backoffMs = Math.min(backoffMs * 2, BACKOFF_MAX_MS);
  }

  await connect();
  return async () => {
    stopped = true;
    clearTimeout(retry);
    if (current) endQuietly(current);
  };
}

// Not awaited: a server that hangs would keep it waiting, and nothing is lost with a listening connection.
function endQuietly(client: pg.Client): void {
  client.end().catch(() => {});
}
