import { EventEmitter } from 'node:events';
import type { InboxId } from '../core/ids.ts';
import type { ReplyBus } from '../jobs/reply-bus.ts';

/** The bus of a single process: messages are handed over as they are, in the call that sends them. */
export function createLocalReplyBus(inbox: InboxId): ReplyBus {
  const emitter = new EventEmitter();
  emitter.setMaxListeners(0);

  return {
    inbox,
    subscribe(listener) {
      emitter.on('message', listener);
      return () => emitter.off('message', listener);
    },
    async send(to, message) {
      if (to === inbox) emitter.emit('message', message);
      return to === inbox;
    },
    async broadcast(message) {
      emitter.emit('message', message);
    },
    async caughtUp() {},
  };
}
