import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createServer } from '../../core/node-http.ts';
import { documentScript, type Pace } from './answer-scripts.ts';
import { createCallPlanner, isGeneratingPath } from './call-planner.ts';
import { openExchange } from './exchange.ts';
import type { FaultName } from './faults.ts';
import { createListings } from './listings.ts';
import { createModelCatalogue, DEMO_MODELS, type DemoModel } from './model-catalogue.ts';
import { createSeenRequests, recordBody, type SeenRequest } from './seen-requests.ts';

export interface DemoServerOptions {
  /** Default 127.0.0.1. */
  host?: string;
  /** Default 0: any free one, kept when the server is started again. */
  port?: number;
  /** Default DEMO_MODELS. A listed `sim:…` name behaves as it says. */
  models?: readonly DemoModel[];
  /** Default 0 and 0: at once. */
  pacing?: Pace;
  /** What goes wrong on every generating call whose model names no fault of its own. */
  fault?: FaultName | undefined;
  /** `ollama` answers Ollama's own listing routes too. */
  protocol?: 'openai' | 'ollama';
  /** Takes any model name of the form `sim:<fault>+<option>=<n>` (see sim-name.ts), listed or not. */
  simModels?: boolean;
  /** The exact length of text answers. */
  tokens?: number;
}

export interface DemoServer {
  /** Scheme, host and port. Throws before the first start. */
  readonly url: string;
  /** 0 before the first start, unless one was given. */
  readonly port: number;
  start(): Promise<void>;
  /** Breaks off what runs. May be called twice; the server may be started again. */
  stop(): Promise<void>;
  /** The last 1 000 requests, oldest first. */
  readonly requests: readonly SeenRequest[];
  /** Those of them that ask a model; looks at health and models, which come at any time, are not among them. */
  calls(): SeenRequest[];
  /** Generating calls that are being answered now. */
  openCalls(): number;
  /** Replaces the server's fault, for the calls that come. */
  setFault(fault: FaultName | undefined): void;
}

const NO_PACE: Pace = { firstTokenMs: 0, tokenMs: 0 };
// Longer than any client here keeps a connection, so that none is closed under a request being sent.
const KEEP_ALIVE_MS = 75_000;

/** A model server that speaks OpenAI's protocol and makes up its answers: the same to the same request. */
export function createDemoServer(options: DemoServerOptions = {}): DemoServer {
  const listener = createListener(options);
  const server = createServer(listener.handle);
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  const host = options.host ?? '127.0.0.1';
  let port = options.port ?? 0;

  async function listen(): Promise<void> {
    listener.setStopping(false);
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, host, () => {
        server.off('error', reject);
        resolve();
      });
    });
    port = (server.address() as AddressInfo).port;
  }

  async function close(): Promise<void> {
    listener.setStopping(true);
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  }

  return {
    get url() {
      if (port === 0) throw new Error('The demo server was never started.');
      return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
    },
    get port() {
      return port;
    },
    start: async () => (server.listening ? undefined : listen()),
    stop: async () => (server.listening ? close() : undefined),
    requests: listener.requests,
    calls: listener.calls,
    openCalls: listener.openCalls,
    setFault: listener.setFault,
  };
}

interface Listener extends Pick<DemoServer, 'requests' | 'calls' | 'openCalls' | 'setFault'> {
  handle(req: IncomingMessage, res: ServerResponse): void;
  setStopping(isStopping: boolean): void;
}

function createListener(options: DemoServerOptions): Listener {
  const catalogue = createModelCatalogue(options.models ?? DEMO_MODELS, options.simModels ?? false);
  const list = createListings(catalogue, options.protocol ?? 'openai');
  const seenRequests = createSeenRequests();
  const planCall = createCallPlanner({
    catalogue,
    pace: options.pacing ?? NO_PACE,
    tokens: options.tokens,
    getFault: () => fault,
  });
  let fault = options.fault;
  let openCalls = 0;
  let isStopping = false;

  function handle(req: IncomingMessage, res: ServerResponse): void {
    const path = pathOf(req);
    const method = req.method ?? '';
    const seen = seenRequests.add({ method, path, headers: req.headers, at: Date.now() });
    const exchange = openExchange(req, res, seen, () => isStopping);
    if (!isCall({ method, path })) {
      req.resume();
      exchange.play(() => documentScript(JSON.stringify(list(method, path))));
      return;
    }
    openCalls += 1;
    res.once('close', () => {
      openCalls -= 1;
    });
    exchange.readBody((text) => {
      recordBody(seen, text);
      exchange.play(() => planCall(seen, text));
    });
  }

  return {
    handle,
    setStopping(next) {
      isStopping = next;
    },
    requests: seenRequests.list,
    calls: () => seenRequests.list.filter(isCall),
    openCalls: () => openCalls,
    setFault(next) {
      fault = next;
    },
  };
}

function isCall({ method, path }: Pick<SeenRequest, 'method' | 'path'>): boolean {
  return method === 'POST' && isGeneratingPath(path);
}

function pathOf({ url = '/' }: IncomingMessage): string {
  const queryAt = url.indexOf('?');
  return queryAt < 0 ? url : url.slice(0, queryAt);
}
