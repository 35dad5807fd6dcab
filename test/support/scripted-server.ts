import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

/** One request as it arrived. */
export interface ScriptedRequest {
  method: string;
  path: string;
  headers: IncomingMessage['headers'];
  body: string;
  socket: Socket;
  /** Whether `socket` had carried an earlier request. */
  reused: boolean;
}

type ScriptedHandler = (res: ServerResponse, request: ScriptedRequest) => void;

export interface ScriptedServer {
  origin: string;
  port: number;
  requests: ScriptedRequest[];
  /** Those of them that are posted; looks at health and models, which come at any time, are not. */
  calls(): ScriptedRequest[];
  /** Connections that are open now. */
  sockets: Set<Socket>;
  /** Calls that have neither been answered nor dropped. */
  openCalls(): number;
  close(): Promise<void>;
}

/** A real HTTP server on a free port that answers each path with its handler, and 404 elsewhere. */
export async function startScriptedServer(
  handlers: Record<string, ScriptedHandler>,
): Promise<ScriptedServer> {
  const requests: ScriptedRequest[] = [];
  const sockets = new Set<Socket>();
  const used = new WeakSet<Socket>();
  let open = 0;

  const server = createServer((req, res) => {
    open += 1;
    res.once('close', () => {
      open -= 1;
    });
    const { socket } = req;
    const reused = used.has(socket);
    used.add(socket);
    readBody(req, (body) => {
      const request = {
        method: req.method ?? '',
        path: req.url ?? '',
        headers: req.headers,
        body,
        socket,
        reused,
      };
      requests.push(request);
      const handler = handlers[request.path] ?? ((missing) => missing.writeHead(404).end('no such path'));
      handler(res, request);
    });
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => sockets.delete(socket));
  });

  const port = await listen(server);
  return {
    origin: `http://127.0.0.1:${port}`,
    port,
    requests,
    calls: () => requests.filter(({ method }) => method === 'POST'),
    sockets,
    openCalls: () => open,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Answers with an event stream of these pieces, each written by itself. `end: false` leaves it open. */
export function sendStream(res: ServerResponse, pieces: (string | Buffer)[], { end = true } = {}): void {
  res.writeHead(200, { 'content-type': 'text/event-stream' });
  res.flushHeaders();
  for (const piece of pieces) res.write(piece);
  if (end) res.end();
}

export function sendJson(res: ServerResponse, body: unknown, status = 200): void {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  res.writeHead(status, { 'content-type': 'application/json' }).end(text);
}

/** Waits until `condition` holds; throws after `limitMs`. */
export async function waitFor(condition: () => boolean, limitMs = 20_000): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`did not happen within ${limitMs} ms: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

function readBody(req: IncomingMessage, done: (body: string) => void): void {
  const chunks: Buffer[] = [];
  req.on('error', () => {});
  req.on('data', (chunk: Buffer) => chunks.push(chunk));
  req.on('end', () => done(Buffer.concat(chunks).toString()));
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
  });
}
