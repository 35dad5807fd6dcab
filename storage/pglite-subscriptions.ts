type OnNotification = (channel: string, payload: string) => void;

export interface Subscriptions {
  notify: OnNotification;
  /** Calls `onPayload` for the channel. Gives the function that ends it, which tells whether it was the last one. */
  add(channel: string, onPayload: (payload: string) => void): () => boolean;
  /** Calls `onNotification` for every channel, until the function it gives is called. */
  addAll(onNotification: OnNotification): () => void;
}

/** Who wants to hear of which NOTIFY: the one session listens for all of them. */
export function createSubscriptions(): Subscriptions {
  const byChannel = new Map<string, Set<{ onPayload: (payload: string) => void }>>();
  const everything = new Set<OnNotification>();

  return {
    notify(channel, payload) {
      for (const { onPayload } of byChannel.get(channel) ?? []) onPayload(payload);
      for (const onNotification of everything) onNotification(channel, payload);
    },
    add(channel, onPayload) {
      const entry = { onPayload };
      const entries = byChannel.get(channel) ?? new Set();
      byChannel.set(channel, entries.add(entry));
      return () => {
        const wasThere = entries.delete(entry);
        if (!wasThere || entries.size > 0) return false;
        byChannel.delete(channel);
        return true;
      };
    },
    addAll(onNotification) {
      everything.add(onNotification);
      return () => everything.delete(onNotification);
    },
  };
}
