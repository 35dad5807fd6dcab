import { BlockList, isIPv6 } from 'node:net';
import { resolve } from 'node:path';
import { ConfigError } from './config-error.ts';
import { CONFIG_FILE, CONFIG_HELP, SETTINGS } from './config-schema.ts';
import { type ConfigFile, type Environment, readConfigFile, readVariable } from './config-sources.ts';
import { settingsWithoutEffect, unknownFileKeys, unknownVariables } from './config-unknown.ts';
import { readValues } from './config-values.ts';
import type { LogLevel } from './logger.ts';
import type { ModelClass } from './schemas/model-class.ts';
import type { ServerRegistration } from './schemas/server-registration.ts';

/** What an operator may set, checked. Only this module reads the environment. */
export interface Config {
  host: string;
  /** 0 takes any free port. */
  port: number;
  /** Whether PORT was set; a worker listens only then. */
  portIsSet: boolean;
  /** Absolute. */
  dataDir: string;
  databaseUrl?: string;
  qdrantUrl?: string;
  qdrantApiKey?: string;
  redisUrl?: string;
  allowUnsafeRedis: boolean;
  discover: boolean;
  demo: 'auto' | 'on' | 'off';
  apiKeys: { name: string; role: 'user' | 'admin'; key: string }[];
  /** Origins of web pages that may call. */
  corsOrigins: string[];
  /** CIDRs that webhooks and http steps may reach beside public addresses; as `networks.outbound`. */
  outboundAllow: string[];
  /** Signs webhooks that bring no secret. */
  webhookSecret?: string;
  /** The Citadel that commands talk to, and the key that they bring. */
  serverUrl?: string;
  serverKey?: string;
  servers: ServerRegistration[];
  logLevel: LogLevel;
  classes: Record<ModelClass, { models: string[]; concurrency: number; queueDepth: number }>;
  /** Name -> the models that stand for it, tried in order. */
  aliases: Record<string, string[]>;
  tracing: {
    endpoint?: string;
    otlpEndpoint?: string;
    /** With its path. */
    otlpTracesEndpoint?: string;
    isDisabled: boolean;
    exporter: 'otlp' | 'none';
    sampler:
      | 'always_on'
      | 'always_off'
      | 'traceidratio'
      | 'parentbased_always_on'
      | 'parentbased_always_off'
      | 'parentbased_traceidratio';
    /** 0 to 1. */
    sampledShare: number;
  };
  /** Model -> what a million of its tokens cost. */
  prices: Record<string, { input: number; output: number }>;
  networks: {
    servers: string[];
    /** What http steps may call beside public addresses. */
    outbound: string[];
  };
  /** Points at which the process is to end itself, for trials. */
  failPoints: string;
  /** For a trial that must fail: results of attempts that are over count as well. */
  isTrialWithoutFencing: boolean;
  limits: {
    bodyBytes: number;
    /** Of one file of an upload. */
    uploadBytes: number;
    /** Of texts to take in. */
    ingestBytes: number;
    jsonDepth: number;
    /** Of a step, and of a run. */
    outputBytes: number;
    /** For stores that are away at the start. */
    startMs: number;
    connectMs: number;
    firstTokenMs: number;
    loadMs: number;
    idleMs: number;
    totalMs: number;
    attempts: number;
    /** 0 to 1. */
    retryBudget: number;
    retryFloorPer10s: number;
    /** Of runs, in one process. */
    stepsAtOnce: number;
    modelHoldMs: number;
  };
  rag: {
    embedTexts: number;
    embedTokens: number;
    embedCalls: number;
    ingestGroups: number;
  };
  /** Days; 0: for good. */
  retention: {
    runsDays: number;
    eventsDays: number;
    ledgerDays: number;
    ingestsDays: number;
    vectorsDays: number;
  };
  health: {
    intervalMs: number;
    suspiciousIntervalMs: number;
    unhealthyAfter: number;
    healthyAfter: number;
    passive: boolean;
    timeoutMs: number;
  };
  /** Server id -> its own API key, from the variable that its registration names by `api_key_env`. */
  serverKeys: Record<string, string>;
  /** The API key of a server that is registered later, by the variable that its registration names. Citadel's own
   *  variables are not given out: what is asked for goes to a server of the asker's choice. */
  readServerKey: (variable: string) => string | undefined;
  /** What the operator should hear of at start, as sentences. */
  notices: string[];
}

interface LoadOptions {
  env?: Environment;
  /** Relative paths start here. */
  cwd?: string;
}

/**
 * The configuration from the environment and citadel.yaml; the environment wins, and an empty variable counts as
 * not set. Throws one ConfigError with every problem.
 */
export function loadConfig({ env = process.env, cwd = process.cwd() }: LoadOptions = {}): Config {
  const { file, problems: fileProblems } = readFile(env, cwd);
  const { values, raw, problems: valueProblems } = readValues(SETTINGS, { env, file, cwd });
  const registrations = raw.get(SETTINGS.servers);

  const problems = [
    ...fileProblems,
    ...valueProblems,
    ...unknownFileKeys(SETTINGS, file),
    ...unknownVariables(SETTINGS, env, keyVariablesOf(registrations)),
    ...duplicateIds(registrations),
    ...missingServerKeys(registrations, env),
  ];
  if (problems.length > 0) throw new ConfigError(problems);
  return {
    ...values,
    networks: { ...values.networks, outbound: [...values.networks.outbound, ...values.outboundAllow] },
    portIsSet: raw.has(SETTINGS.port),
    dataDir: resolve(cwd, values.dataDir),
    serverKeys: readServerKeys(values.servers, env),
    readServerKey: (variable) => (OWN_VARIABLES.has(variable) ? undefined : readVariable(env, variable)),
    notices: settingsWithoutEffect(env),
  };
}

function readFile(env: Environment, cwd: string): { file: ConfigFile; problems: string[] } {
  const named = readVariable(env, CONFIG_FILE.env);
  try {
    return { file: readConfigFile(named, cwd), problems: [] };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { file: { name: named ?? '', root: {} }, problems: error.problems };
  }
}

// This and what follows look at the list as it was given, so that a wrong port in it hides no other problem.
function keyVariablesOf(registrations: unknown): Set<string> {
  return new Set(textsOf(registrations, 'api_key_env').filter((name) => name !== null));
}

function duplicateIds(registrations: unknown): string[] {
  const ids = textsOf(registrations, 'id');
  return ids.flatMap((id, index) => {
    const first = ids.indexOf(id);
    return id === null || first === index
      ? []
      : [`servers: entry ${index} has the id "${id}" of entry ${first}.`];
  });
}

function textsOf(registrations: unknown, field: string): (string | null)[] {
  if (!Array.isArray(registrations)) return [];
  return registrations.map((entry) => {
    const text = entry?.[field];
    return typeof text === 'string' ? text : null;
  });
}

function missingServerKeys(registrations: unknown, env: Environment): string[] {
  return textsOf(registrations, 'api_key_env').flatMap((name, index) => {
    if (name === null || readVariable(env, name) !== undefined) return [];
    return [`${name}: is not set, and servers entry ${index} names it in api_key_env.`];
  });
}

function readServerKeys(servers: ServerRegistration[], env: Environment): Record<string, string> {
  // Without a prototype: "constructor" is a valid server id and must not find Object's.
  const keys: Record<string, string> = Object.create(null);
  for (const { id, api_key_env: name } of servers) {
    const key = name && readVariable(env, name);
    if (key) keys[id] = key;
  }
  return keys;
}

const OWN_VARIABLES = new Set(CONFIG_HELP.map(({ name }) => name));

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8);
LOOPBACK.addAddress('::1', 'ipv6');

/** Whether only this machine reaches what listens on `host`. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || LOOPBACK.check(host, isIPv6(host) ? 'ipv6' : 'ipv4');
}
