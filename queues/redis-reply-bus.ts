// I1: what is sent to one inbox arrives in the order of the sends.
// I2: the reader never misses an entry of its inbox: it keeps its own position and never asks for "from now on".
import { EventEmitter, once } from 'node:events';
import type { Redis } from 'ioredis';
import type { InboxId } from '../core/ids.ts';
import type { BusMessage, ReplyBus } from '../jobs/reply-bus.ts';
import { createOutbox, type Outbox } from './redis-outbox.ts';
import { storeUnavailable } from './store-errors.ts';

const BROADCAST_KEY = 'citadel:broadcast';
const BROADCAST_ENTRIES_MAX = 1_000;
const INBOX_ENTRIES_MAX = 20_000;
/** An inbox whose process is gone is dropped by Redis after this long. */
const INBOX_TTL_MS = 60_000;
const HEARTBEAT_MS = 10_000;
const READ_BLOCK_MS = 4_000;
const READ_COUNT = 500;
const OUTBOXES_MAX = 1_000;

interface RedisReplyBusOptions {
  inbox: InboxId;
  /** For sending. */
  commands: Redis;
  /** For the blocking read; the bus's own. */
  reader: Redis;
}

export interface RedisReplyBus extends ReplyBus {
  start(): Promise<void>;
  close(): Promise<void>;
}

const inboxKey = (inbox: InboxId) => `citadel:inbox:${inbox}`;

/** The bus between processes: one Redis stream as inbox per process and boot, one for broadcasts. */
export function createRedisReplyBus({ inbox, commands, reader }: RedisReplyBusOptions): RedisReplyBus {
  const emitter = new EventEmitter();
  emitter.setMaxListeners(0);
  const outboxes = new Map<InboxId, Outbox>();
  const positions = { [inboxKey(inbox)]: '0-0', [BROADCAST_KEY]: '0-0' };
  let heartbeat: NodeJS.Timeout | undefined;
  let closed = false;

  return {
    inbox,

    subscribe(listener) {
      emitter.on('message', listener);
      return () => emitter.off('message', listener);
    },

    async send(to, message) {
      // What stays in this process needs no store.
      if (to === inbox) {
        emitter.emit('message', message);
        return true;
      }
      return await outboxTo(to).push(JSON.stringify(message), mayWait(message));
    },

    async broadcast(message) {
      try {
        await commands.xadd(
          BROADCAST_KEY,
          'MAXLEN',
          '~',
          BROADCAST_ENTRIES_MAX,
          '*',
          'm',
          `[${JSON.stringify(message)}]`,
        );
      } catch (error) {
        throw storeUnavailable(error);
      }
    },

    async caughtUp() {
      const key = inboxKey(inbox);
      const newest = await lastId(key).catch((error: unknown) => {
        throw storeUnavailable(error);
      });
      while (!closed && isBefore(positions[key] ?? '0-0', newest)) await once(emitter, 'read');
    },

    async start() {
      positions[BROADCAST_KEY] = await lastId(BROADCAST_KEY);
      await makeInbox();
      commands.on('ready', onReconnect);
      heartbeat = setInterval(() => makeInbox().catch(() => {}), HEARTBEAT_MS);
      readAll();
    },

    async close() {
      if (closed) return;
      closed = true;
      clearInterval(heartbeat);
      commands.off('ready', onReconnect);
      reader.disconnect();
      emitter.emit('read');
      if (commands.status === 'ready') await commands.del(inboxKey(inbox)).catch(() => {});
    },
  };

  function outboxTo(to: InboxId): Outbox {
    const known = outboxes.get(to);
    if (known) return known;
    if (outboxes.size >= OUTBOXES_MAX) forgetIdleOutboxes();
    const outbox = createOutbox({ redis: commands, key: inboxKey(to), entriesMax: INBOX_ENTRIES_MAX });
    outboxes.set(to, outbox);
    return outbox;
  }

  function forgetIdleOutboxes(): void {
    for (const [to, outbox] of outboxes) {
      if (outbox.isIdle()) outboxes.delete(to);
    }
  }

  // A sender adds only to a stream that is there (NOMKSTREAM), so that it learns when this process is gone.
  async function makeInbox(): Promise<void> {
    const key = inboxKey(inbox);
    if ((await commands.pexpire(key, INBOX_TTL_MS)) === 1) return;
    await commands.xadd(key, '*', 'm', '[]');
    await commands.pexpire(key, INBOX_TTL_MS);
  }

  // A Redis that came back empty, or with its clock set back, numbers entries below our position: start over.
  async function onReconnect(): Promise<void> {
    try {
      await makeInbox();
      for (const key of Object.keys(positions)) {
        if (isBefore(await lastId(key), positions[key] ?? '0-0')) positions[key] = '0-0';
      }
    } catch {
      // The connection was lost again; the next `ready` comes here.
    }
  }

  async function lastId(key: string): Promise<string> {
    const newest = await commands.xrevrange(key, '+', '-', 'COUNT', 1);
    return newest[0]?.[0] ?? '0-0';
  }

  async function readAll(): Promise<void> {
    while (!closed) {
      try {
        await readOnce();
      } catch {
        if (closed) return;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  }

  async function readOnce(): Promise<void> {
    const keys = Object.keys(positions);
    const ids = Object.values(positions);
    const streams = await reader.xread(
      'COUNT',
      READ_COUNT,
      'BLOCK',
      READ_BLOCK_MS,
      'STREAMS',
      ...keys,
      ...ids,
    );
    for (const [key, entries] of streams ?? []) {
      for (const [id, fields] of entries) {
        positions[key] = id;
        for (const message of parseMessages(fields[1])) emitter.emit('message', message);
      }
    }
    emitter.emit('read');
  }
}

function parseMessages(text: string | undefined): BusMessage[] {
  return text === undefined ? [] : (JSON.parse(text) as BusMessage[]);
}

// Tokens, of which more follow.
function mayWait(message: BusMessage): boolean {
  if (message.kind === 'run-delta') return true;
  return message.kind === 'reply' && (message.frame.type === 'chunks' || message.frame.type === 'progress');
}

function isBefore(id: string, other: string): boolean {
  const [ms = 0, seq = 0] = id.split('-').map(Number);
  const [otherMs = 0, otherSeq = 0] = other.split('-').map(Number);
  return ms < otherMs || (ms === otherMs && seq < otherSeq);
}
