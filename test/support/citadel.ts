import { rm } from 'node:fs/promises';
import { type CitadelProcess, type Roles, startCitadel } from '../../bin/citadel-process.ts';
import { loadConfig } from '../../core/config.ts';
import { createLogger } from '../../core/logger.ts';
import { MODEL_CLASSES } from '../../core/schemas/model-class.ts';
import { createDemoServer, type DemoServer, type DemoServerOptions } from '../../servers/demo/demo-server.ts';
import { newDataDirectory } from './pglite-template.ts';

type Environment = Record<string, string>;

/** Citadel in this process, on a data directory of its own, in front of one simulated model server. */
export interface TestCitadel {
  url: string;
  /** The simulated model server. */
  model: DemoServer;
  process: CitadelProcess;
  /** Holds its data, and its citadel.yaml where a test writes one. */
  directory: string;
  logLines: string[];
  post(path: string, body: unknown, options?: PostOptions): Promise<Response>;
  get(path: string, headers?: Record<string, string>): Promise<Response>;
  stop(): Promise<void>;
}

interface PostOptions {
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

interface TestCitadelOptions {
  env?: Environment;
  models?: string[];
  server?: Partial<DemoServerOptions>;
  /** Fields of the server's registration. */
  registration?: object;
  roles?: Roles;
  /** All requests come from one caller, who has a key. */
  withKey?: boolean;
}

export const EVERYTHING: Roles = { api: true, classes: MODEL_CLASSES };

/** Time-outs short enough for tests of what hangs. */
export const SHORT_LIMITS: Environment = {
  CITADEL_LIMITS_CONNECT_MS: '1000',
  CITADEL_LIMITS_FIRST_TOKEN_MS: '1000',
  CITADEL_LIMITS_LOAD_MS: '1000',
  CITADEL_LIMITS_IDLE_MS: '1000',
};

const KEY = 'the-key-of-a-single-caller';

/** A budget that tests of single calls do not use up. */
export const MANY_RETRIES: Environment = { CITADEL_LIMITS_RETRY_FLOOR_PER_10S: '100000' };

export async function startTestCitadel(options: TestCitadelOptions = {}): Promise<TestCitadel> {
  const { env = {}, models = ['sim-chat', 'sim-embed'], server = {}, registration = {} } = options;
  const directory = await newDataDirectory();
  const model = createDemoServer({ simModels: true, models: models.map((id) => ({ id })), ...server });
  await model.start();
  const logLines: string[] = [];
  const source = {
    env: {
      PORT: '0',
      CITADEL_DATA_DIR: directory,
      CITADEL_DISCOVER: 'off',
      CITADEL_SERVERS: JSON.stringify([
        { id: 'sim', hostname: '127.0.0.1', port: model.port, models, ...registration },
      ]),
      ...(options.withKey ? { CITADEL_API_KEYS: `one:admin:${KEY}` } : {}),
      ...env,
    },
    cwd: directory,
  };
  const config = loadConfig(source);
  const citadel = await startCitadel({
    config,
    loadConfig: () => loadConfig(source),
    roles: options.roles ?? EVERYTHING,
    logger: createLogger({
      level: 'debug',
      pretty: false,
      destination: { write: (line) => logLines.push(line) },
    }),
    onFatal: (error) => logLines.push(String(error)),
  });
  const authorization = options.withKey ? { authorization: `Bearer ${KEY}` } : {};
  const url = `http://127.0.0.1:${citadel.address?.port}`;

  return {
    url,
    model,
    process: citadel,
    directory,
    logLines,
    post: (path, body, { headers, signal } = {}) =>
      fetch(url + path, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...authorization, ...headers },
        body: typeof body === 'string' ? body : JSON.stringify(body),
        signal,
      }),
    get: (path, headers) => fetch(url + path, { headers: { ...authorization, ...headers } }),
    async stop() {
      await citadel.close(0);
      await model.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** The body of a chat request with one message. */
export function chat(model: string, content = 'Hello', rest: object = {}): object {
  return { model, messages: [{ role: 'user', content }], ...rest };
}

/** The `data:` texts of a stream that has ended, `[DONE]` included. */
export function readEvents(text: string): string[] {
  return text
    .split('\n\n')
    .filter((event) => event.startsWith('data: '))
    .map((event) => event.slice('data: '.length));
}
