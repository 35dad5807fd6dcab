import { isIP, connect as openTcp, type Socket } from 'node:net';
import { connect as openTls } from 'node:tls';
import { type buildConnector, errors } from 'undici';
import type { AddressGuard } from './address-guard.ts';

const TCP_KEEP_ALIVE_MS = 60_000;

// Errors of sockets that had carried an answer before they broke.
const errorsOfUsedSockets = new WeakSet<object>();

/** Whether `error` ended a connection that had served before: one that its server may have closed for being idle
 *  just as a request went out. */
export function isOfUsedSocket(error: unknown): boolean {
  return typeof error === 'object' && error !== null && errorsOfUsedSockets.has(error);
}

/** Opens connections within `limitMs()`, to the millisecond: undici's own limit is up to a second late. HTTP/1.1 only,
 *  where a call that is given up closes its socket, which every model server notices. Where `guard` does not allow the
 *  address, or any address of the name, it fails with BackendFailure before a byte is sent. */
export function createServerConnector(limitMs: () => number, guard: AddressGuard): buildConnector.connector {
  let session: Buffer | undefined;

  return function connect(options, callback) {
    // No lookup is asked for an address.
    if (isIP(options.hostname) > 0 && !guard.allows(options.hostname)) {
      callback(guard.refused(), null);
      return;
    }
    const socket = open(options, guard, session);
    const timer = setTimeout(() => socket.destroy(new errors.ConnectTimeoutError()), limitMs());
    let bytesBefore: number | undefined;

    socket.on('session', (issued: Buffer) => {
      session = issued;
    });
    socket.once(options.protocol === 'https:' ? 'secureConnect' : 'connect', () => {
      clearTimeout(timer);
      if (!guard.allows(socket.remoteAddress ?? '')) {
        socket.destroy();
        callback(guard.refused(), null);
        return;
      }
      bytesBefore = socket.bytesRead;
      callback(null, socket);
    });
    socket.on('error', (error) => {
      clearTimeout(timer);
      if (bytesBefore === undefined) return callback(error, null);
      if (socket.bytesRead > bytesBefore) errorsOfUsedSockets.add(error);
    });
  };
}

function open(
  { protocol, hostname, port, servername }: buildConnector.Options,
  { lookup }: AddressGuard,
  session?: Buffer,
): Socket {
  const common = {
    host: hostname,
    // What it gives is what is connected to: the name is not looked up again.
    lookup,
    keepAlive: true,
    keepAliveInitialDelay: TCP_KEEP_ALIVE_MS,
    noDelay: true,
  };
  if (protocol !== 'https:') return openTcp({ ...common, port: Number(port || 80) });

  return openTls({
    ...common,
    port: Number(port || 443),
    servername: servername || (isIP(hostname) ? '' : hostname),
    ALPNProtocols: ['http/1.1'],
    session,
  });
}
