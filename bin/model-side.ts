import type { Config } from '../core/config.ts';
import type { Lifecycle } from '../core/lifecycle.ts';
import type { Logger } from '../core/logger.ts';
import type { ModelClass } from '../core/schemas/model-class.ts';
import { createModelClient } from '../outbound/model-client.ts';
import { identifyServer } from '../outbound/probe-address.ts';
import { createDemoServer } from '../servers/demo/demo-server.ts';
import { createRegistry, type Registry } from '../servers/registry.ts';
import { createServerWatch, type StartDemo } from '../servers/server-watch.ts';

interface ModelSideDeps {
  config: Config;
  life: Lifecycle;
  logger: Logger;
}

export interface ModelSide {
  registry: Registry;
  client: ReturnType<typeof createModelClient>;
}

/** What of a demo answer's pace looks like a model. */
const DEMO_PACE = { firstTokenMs: 30, tokenMs: 10 };

/** The model servers: known, found, or the demo; with the client that calls them. Resolves after the first look. */
export async function openModelSide({ config, life, logger }: ModelSideDeps): Promise<ModelSide> {
  const registry = createRegistry({ models: classModels(config) });
  const client = createModelClient();
  life.defer('model client', () => client.close());
  const watch = createServerWatch({
    registry,
    client,
    identify: identifyServer,
    startDemo,
    servers: config.servers,
    serverKeys: config.serverKeys,
    discover: config.discover,
    demo: config.demo,
    ownPorts: new Set([config.port]),
    intervalMs: config.health.intervalMs,
    timeoutMs: config.health.timeoutMs,
    logger,
  });
  await watch.start();
  life.defer('server watch', () => watch.stop());
  return { registry, client };
}

function classModels({ classes }: Config): Record<ModelClass, string[]> {
  return {
    lightweight: classes.lightweight.models,
    heavyweight: classes.heavyweight.models,
    embedding: classes.embedding.models,
  };
}

const startDemo: StartDemo = async () => {
  const server = createDemoServer({ pacing: DEMO_PACE });
  await server.start();
  return {
    registration: {
      id: 'demo',
      hostname: '127.0.0.1',
      port: server.port,
      protocol: 'openai',
      base_path: '/v1',
      weight: 1,
      models: [],
    },
    stop: () => server.stop(),
  };
};
