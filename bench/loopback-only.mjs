// Preloaded into a gateway that has no setting for its address: whatever listens, listens on 127.0.0.1.
import { Server } from 'node:net';

const { listen } = Server.prototype;
Server.prototype.listen = function listenOnLoopback(first, ...rest) {
  const onListening = rest.find((value) => typeof value === 'function');
  const port = typeof first === 'object' ? first.port : first;
  return listen.call(this, { port, host: '127.0.0.1' }, onListening);
};
