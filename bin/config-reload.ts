import { isDeepStrictEqual } from 'node:util';
import type { Config } from '../core/config.ts';
import { ConfigError } from '../core/config-error.ts';
import { SETTINGS } from '../core/config-schema.ts';
import { AppError } from '../core/errors.ts';
import type { RootLogger } from '../core/logger.ts';
import { settingsOf, toYamlName } from '../core/setting-table.ts';
import type { ModelAliases } from '../servers/model-aliases.ts';
import type { Registry } from '../servers/registry.ts';
import { classModels } from './model-side.ts';

export interface ReloadResult {
  /** Settings that hold from now on, as citadel.yaml names them. */
  changed: string[];
  /** Settings that are other than those that hold, and that only a start reads. */
  needsRestart: string[];
}

interface ConfigReloadOptions {
  /** What holds. Its live settings are changed in place, where each call reads them. */
  config: Config;
  /** Reads the configuration anew. Throws ConfigError. */
  load(): Config;
  registry: Pick<Registry, 'put' | 'remove' | 'server' | 'setRules'>;
  aliases: Pick<ModelAliases, 'setChains'> | null;
  logger: RootLogger;
}

/** Reads citadel.yaml again and puts in force what a running process can change. Throws AppError `invalid_request` with every
 *  problem of a wrong one, of which nothing is put in force. */
export function createConfigReload({
  config,
  load,
  registry,
  aliases,
  logger,
}: ConfigReloadOptions): () => ReloadResult {
  return () => {
    const next = loadOrRefuse(load);
    const different = Array.from(settingsOf(SETTINGS), ({ path }) => path).filter(
      (path) => !isDeepStrictEqual(valueAt(config, path), valueAt(next, path)),
    );
    const changed = different.filter(isLive).map(toName);
    const needsRestart = different.filter((path) => !isLive(path)).map(toName);
    putInForce(next);
    logger.info('the configuration was read again', {
      changed: changed.join(', '),
      needsRestart: needsRestart.join(', '),
    });
    return { changed, needsRestart };
  };

  function putInForce(next: Config): void {
    const { connectMs, firstTokenMs, loadMs, idleMs } = next.limits;
    Object.assign(config.limits, { connectMs, firstTokenMs, loadMs, idleMs });
    for (const [name, one] of Object.entries(config.classes)) {
      const { models, queueDepth } = next.classes[name as keyof Config['classes']];
      Object.assign(one, { models, queueDepth });
    }
    if (config.logLevel !== next.logLevel) logger.setLevel(next.logLevel);
    config.logLevel = next.logLevel;
    config.prices = next.prices;
    config.aliases = next.aliases;
    aliases?.setChains(next.aliases);
    registry.setRules({ models: classModels(config) });
    putServers(next);
  }

  function putServers(next: Config): void {
    const { servers: before } = config;
    const ids = new Set(next.servers.map(({ id }) => id));
    config.servers = next.servers;
    config.serverKeys = next.serverKeys;
    for (const old of before) {
      // What an operator has said of it over the API stands.
      const isOurs = isDeepStrictEqual(registry.server(old.id)?.registration, old);
      if (!ids.has(old.id) && isOurs) registry.remove(old.id);
    }
    for (const server of next.servers) {
      if (!before.some((old) => isDeepStrictEqual(old, server)))
        registry.put(server, next.serverKeys[server.id]);
    }
  }
}

const LIVE = [
  'logLevel',
  'servers',
  'aliases',
  'prices',
  'limits.connectMs',
  'limits.firstTokenMs',
  'limits.loadMs',
  'limits.idleMs',
];
const LIVE_OF_CLASS = /^classes\.\w+\.(models|queueDepth)$/;

function isLive(path: readonly string[]): boolean {
  const name = path.join('.');
  return LIVE.includes(name) || LIVE_OF_CLASS.test(name);
}

const toName = (path: readonly string[]) => path.map(toYamlName).join('.');

function valueAt(config: Config, path: readonly string[]): unknown {
  let value: unknown = config;
  for (const name of path) value = (value as Record<string, unknown>)[name];
  return value;
}

function loadOrRefuse(load: () => Config): Config {
  try {
    return load();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new AppError('invalid_request', `Nothing was changed: ${error.problems.join(' ')}`);
  }
}
