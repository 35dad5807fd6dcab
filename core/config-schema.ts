import type { Kind } from './config-kinds.ts';
import {
  apiKeys,
  filePath,
  hostName,
  milliseconds,
  modelNames,
  oneOf,
  onOff,
  serverList,
  urlOf,
  wholeNumber,
} from './config-kinds.ts';
import { LOG_LEVELS } from './logger.ts';

export interface Setting<T> extends Kind<T> {
  fallback: T;
  description: string;
  /** Its environment variable. Without one it is a key of citadel.yaml, which gives the variable its name. */
  env?: string;
}

/** Every setting, in the shape of Config. Names, defaults, checks and help all come from here. */
export const SETTINGS = {
  host: setting(hostName, '127.0.0.1', 'address to listen on', 'HOST'),
  port: setting(wholeNumber(0, 65_535), 8002, 'port to listen on; 0 takes any free one', 'PORT'),
  dataDir: setting(filePath, './data', 'directory of the embedded store and of uploads', 'CITADEL_DATA_DIR'),
  databaseUrl: optional(
    urlOf('postgres', 'postgresql'),
    'Postgres instead of the embedded store',
    'DATABASE_URL',
  ),
  redisUrl: optional(
    urlOf('redis', 'rediss'),
    'Redis for the queues; more than one process needs it',
    'REDIS_URL',
  ),
  allowUnsafeRedis: setting(
    onOff,
    false,
    'warn instead of refusing a Redis without AOF or noeviction',
    'CITADEL_ALLOW_UNSAFE_REDIS',
  ),
  discover: setting(onOff, true, 'look for model servers on loopback at start', 'CITADEL_DISCOVER'),
  demo: setting(
    oneOf(['auto', 'on', 'off']),
    'auto',
    'the demo model; auto: only while no real server is known',
    'CITADEL_DEMO',
  ),
  apiKeys: setting(apiKeys, [], 'name:role:key,… with the role user or admin', 'CITADEL_API_KEYS'),
  servers: setting(
    serverList,
    [],
    'model servers: a JSON array of registrations, or the path of a file with one',
  ),
  logLevel: setting(oneOf(LOG_LEVELS), 'info', LOG_LEVELS.join(', '), 'LOG_LEVEL'),
  classes: {
    lightweight: modelClass('lightweight', ['phi3', 'openchat']),
    heavyweight: modelClass('heavyweight', ['mixtral', 'nous-hermes2']),
    embedding: modelClass('embedding', ['nomic-embed-text']),
  },
  limits: {
    bodyBytes: setting(wholeNumber(1_024, 268_435_456), 10_485_760, 'largest request body'),
    jsonDepth: setting(wholeNumber(1, 1_000), 64, 'deepest nesting of a JSON body'),
    connectMs: setting(milliseconds, 1_000, 'limit to connect to a model server'),
    firstTokenMs: setting(milliseconds, 10_000, 'limit to the first token of a loaded model'),
    loadMs: setting(milliseconds, 120_000, 'limit to the first token of a model that must be loaded first'),
    idleMs: setting(milliseconds, 15_000, 'limit between two tokens'),
    totalMs: setting(milliseconds, 600_000, 'limit for a whole answer'),
    attempts: setting(wholeNumber(1, 10), 3, 'servers that a call may try'),
  },
  health: {
    intervalMs: setting(milliseconds, 30_000, 'time between two checks of a healthy server'),
    timeoutMs: setting(milliseconds, 5_000, 'limit for the answer to a check'),
  },
};

/** Read before the others, since it says where they stand. */
export const CONFIG_FILE = {
  env: 'CITADEL_CONFIG',
  fallback: './citadel.yaml if there',
  description: 'file with servers, classes, limits and health settings',
};

/** The values of a table of settings, in the table's shape. */
export type SettingValues<Table> = {
  [Name in keyof Table]: Table[Name] extends Setting<infer T> ? T : SettingValues<Table[Name]>;
};

export interface SettingTable {
  [name: string]: Setting<unknown> | SettingTable;
}

export function isSetting(entry: Setting<unknown> | SettingTable): entry is Setting<unknown> {
  return 'schema' in entry;
}

/** `firstTokenMs` as citadel.yaml writes it: `first_token_ms`. */
export function toYamlName(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** The environment variable of the setting at `path`. */
export function envNameOf(setting: Setting<unknown>, path: readonly string[]): string {
  return setting.env ?? `CITADEL_${path.map(toYamlName).join('_').toUpperCase()}`;
}

/** Every setting of a table with its path in it. */
export function* settingsOf(
  table: SettingTable,
  path: readonly string[] = [],
): Generator<{ setting: Setting<unknown>; path: readonly string[] }> {
  for (const [name, entry] of Object.entries(table)) {
    if (isSetting(entry)) yield { setting: entry, path: [...path, name] };
    else yield* settingsOf(entry, [...path, name]);
  }
}

/** The variables, for `citadel --help`. */
export const CONFIG_HELP: { name: string; default: string; description: string }[] = [
  { name: CONFIG_FILE.env, default: CONFIG_FILE.fallback, description: CONFIG_FILE.description },
  ...Array.from(settingsOf(SETTINGS), ({ setting, path }) => ({
    name: envNameOf(setting, path),
    default: showDefault(setting.fallback),
    description: setting.description,
  })),
];

function setting<T>(kind: Kind<T>, fallback: NoInfer<T>, description: string, env?: string): Setting<T> {
  return { ...kind, fallback, description, env };
}

function optional<T>(kind: Kind<T>, description: string, env: string): Setting<T | undefined> {
  return { ...kind, fallback: undefined, description, env };
}

function modelClass(name: string, models: string[]) {
  return {
    models: setting(modelNames, models, `${name} models, comma-separated`),
    concurrency: setting(wholeNumber(1, 10_000), 64, `${name} calls at once in one process`),
    queueDepth: setting(wholeNumber(1, 1_000_000), 1_000, `${name} calls that may wait`),
  };
}

function showDefault(value: unknown): string {
  if (value === undefined) return 'none';
  if (typeof value === 'boolean') return value ? 'on' : 'off';
  if (Array.isArray(value)) return value.join(',') || 'none';
  return String(value);
}
