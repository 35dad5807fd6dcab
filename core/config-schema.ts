import type { Kind } from './config-kinds.ts';
import {
  aliasMap,
  apiKeys,
  days,
  failPointList,
  filePath,
  fraction,
  hostName,
  milliseconds,
  modelNames,
  networkList,
  oneOf,
  onOff,
  origins,
  priceMap,
  secretText,
  serverList,
  trueOrFalse,
  urlOf,
  webhookSecret,
  wholeNumber,
} from './config-kinds.ts';
import { LOG_LEVELS } from './logger.ts';
import { envNameOf, type Setting, settingsOf } from './setting-table.ts';

const SAMPLERS = [
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
] as const;

/** Every setting, in the shape of Config. Names, defaults, checks and help all come from here. */
export const SETTINGS = {
  host: setting(hostName, '127.0.0.1', 'address to listen on', 'HOST'),
  port: setting(
    wholeNumber(0, 65_535),
    8002,
    'port to listen on; 0 takes any free one; a worker listens only when it is set',
    'PORT',
  ),
  dataDir: setting(filePath, './data', 'directory of the embedded store and of uploads', 'CITADEL_DATA_DIR'),
  databaseUrl: optional(
    urlOf('postgres', 'postgresql'),
    'Postgres instead of the embedded store',
    'DATABASE_URL',
  ),
  qdrantUrl: optional(
    urlOf('http', 'https'),
    'Qdrant for the index of documents, instead of the database',
    'QDRANT_URL',
  ),
  qdrantApiKey: optional(secretText, 'the key that Qdrant asks for', 'QDRANT_API_KEY'),
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
  corsOrigins: setting(
    origins,
    [],
    'web pages that may call Citadel: their origins, comma-separated',
    'CITADEL_CORS_ORIGINS',
  ),
  outboundAllow: setting(
    networkList,
    [],
    'networks that webhooks and http steps may call beside public addresses: loopback, private, CIDRs',
    'CITADEL_OUTBOUND_ALLOW',
  ),
  webhookSecret: optional(
    webhookSecret,
    'signs webhooks that bring no secret: whsec_ and base64',
    'CITADEL_WEBHOOK_SECRET',
  ),
  serverUrl: optional(
    urlOf('http', 'https'),
    'for citadel runs and jobs: the Citadel that they talk to',
    'CITADEL_URL',
  ),
  serverKey: optional(secretText, 'for citadel runs and jobs: the key that they bring', 'CITADEL_API_KEY'),
  failPoints: setting(
    failPointList,
    '',
    'for trials: name:n,… ends the process at the n-th pass of such a point, name:n:stop stops it (SIGSTOP)',
    'CITADEL_FAIL_POINTS',
  ),
  isTrialWithoutFencing: setting(
    onOff,
    false,
    'for a trial that must fail: results of attempts that are over count as well',
    'CITADEL_TRIAL_NO_FENCING',
  ),
  servers: setting(
    serverList,
    [],
    'model servers: a JSON array of registrations, or the path of a file with one',
  ),
  logLevel: {
    ...setting(oneOf(LOG_LEVELS), 'info', 'what is logged, and above; as a variable LOG_LEVEL', 'LOG_LEVEL'),
    isInFileToo: true,
  },
  classes: {
    lightweight: modelClass('lightweight', ['phi3', 'openchat']),
    heavyweight: modelClass('heavyweight', ['mixtral', 'nous-hermes2']),
    embedding: modelClass('embedding', ['nomic-embed-text']),
  },
  aliases: setting(aliasMap, {}, 'names for models, each with those to try in order, as JSON'),
  tracing: {
    endpoint: optional(
      urlOf('http', 'https'),
      'where traces go to by OTLP/HTTP, such as http://127.0.0.1:4318; none: no traces',
    ),
    otlpEndpoint: optional(urlOf('http', 'https'), 'the same', 'OTEL_EXPORTER_OTLP_ENDPOINT'),
    otlpTracesEndpoint: optional(
      urlOf('http', 'https'),
      'the same, as the whole URL',
      'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT',
    ),
    isDisabled: setting(trueOrFalse, false, 'no traces, whatever is set', 'OTEL_SDK_DISABLED'),
    exporter: setting(oneOf(['otlp', 'none']), 'otlp', 'none: no traces', 'OTEL_TRACES_EXPORTER'),
    sampler: setting(oneOf(SAMPLERS), 'parentbased_always_on', SAMPLERS.join(', '), 'OTEL_TRACES_SAMPLER'),
    sampledShare: setting(fraction(0, 1), 1, 'for the samplers by ratio', 'OTEL_TRACES_SAMPLER_ARG'),
  },
  prices: setting(
    priceMap,
    {},
    'what a million tokens of a model cost, as JSON: {"phi3":{"input":0.1,"output":0.2}}',
  ),
  networks: {
    servers: setting(networkList, ['loopback', 'private'], 'where model servers may be; CIDRs too'),
    outbound: setting(networkList, [], 'the same as CITADEL_OUTBOUND_ALLOW; both count'),
  },
  limits: {
    bodyBytes: setting(wholeNumber(1_024, 268_435_456), 10_485_760, 'largest request body'),
    uploadBytes: setting(wholeNumber(1_024, 2_147_483_647), 104_857_600, 'largest file of an upload'),
    ingestBytes: setting(
      wholeNumber(1_024, 268_435_456),
      33_554_432,
      'largest body of a request that brings documents as text',
    ),
    jsonDepth: setting(wholeNumber(1, 1_000), 64, 'deepest nesting of a JSON body'),
    outputBytes: setting(
      wholeNumber(1_024, 268_435_456),
      4_194_304,
      'largest output of a step or a run, as JSON in UTF-8',
    ),
    startMs: setting(
      wholeNumber(0, 3_600_000),
      60_000,
      'how long a start waits for a Redis or Postgres that is out of reach',
    ),
    connectMs: setting(milliseconds, 1_000, 'limit to connect to a model server'),
    firstTokenMs: setting(milliseconds, 10_000, 'limit to the first token of a loaded model'),
    loadMs: setting(milliseconds, 120_000, 'limit to the first token of a model that must be loaded first'),
    idleMs: setting(milliseconds, 15_000, 'limit between two tokens'),
    totalMs: setting(milliseconds, 600_000, 'limit for a whole answer'),
    attempts: setting(wholeNumber(1, 10), 3, 'servers that a call may try'),
    retryBudget: setting(fraction(0, 1), 0.2, 'share of the calls of the last 10 s that may be made again'),
    retryFloorPer10s: setting(
      wholeNumber(0, 1_000_000),
      10,
      'calls that may be made again in 10 s however few there are',
    ),
    stepsAtOnce: setting(wholeNumber(1, 10_000), 512, 'steps of runs that a process has at work at once'),
    modelHoldMs: setting(
      wholeNumber(0, 600_000),
      2_000,
      'how long a model that must be loaded waits while calls for the loaded one keep coming',
    ),
  },
  rag: {
    embedTexts: setting(wholeNumber(1, 2_048), 64, 'texts of documents in one call for embeddings'),
    embedTokens: setting(wholeNumber(1, 1_000_000), 8_192, 'tokens of these texts together'),
    embedCalls: setting(wholeNumber(1, 64), 2, 'such calls at once, of one model in one process'),
    ingestGroups: setting(
      wholeNumber(1, 64),
      3,
      'large documents, or groups of small ones, taken in at once',
    ),
  },
  retention: {
    runsDays: setting(days, 30, 'how long a run or job is kept after its end; 0: for good'),
    eventsDays: setting(days, 30, 'the same for its events'),
    ledgerDays: setting(days, 90, 'how long a row of the ledger is kept'),
    ingestsDays: setting(days, 30, 'how long an ingest job is kept after its end'),
    vectorsDays: setting(days, 30, 'how long a vector is kept that no ingest has used again'),
  },
  health: {
    intervalMs: setting(milliseconds, 30_000, 'time between two checks of a healthy server'),
    suspiciousIntervalMs: setting(
      milliseconds,
      1_000,
      'time between two checks of a server that has failed of late',
    ),
    unhealthyAfter: setting(wholeNumber(1, 1_000), 3, 'failed checks in a row that make a server unhealthy'),
    healthyAfter: setting(
      wholeNumber(1, 1_000),
      5,
      'passed checks in a row that make a server healthy again',
    ),
    timeoutMs: setting(milliseconds, 5_000, 'limit for the answer to a check'),
    passive: setting(onOff, true, 'whether failed calls count against their server; off is for trials only'),
  },
};

/** Read before the others, since it says where they stand. */
export const CONFIG_FILE = {
  env: 'CITADEL_CONFIG',
  fallback: './citadel.yaml if there',
  description: 'file with servers, classes, limits and health settings',
};

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

function optional<T>(kind: Kind<T>, description: string, env?: string): Setting<T | undefined> {
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
  if (typeof value === 'object') return 'none';
  return String(value);
}
