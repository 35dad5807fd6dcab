import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { isLoopback } from '../../core/config.ts';
import { CONFIG_HELP } from '../../core/config-schema.ts';
import { setupConfig as setup } from '../support/config-bundle.ts';

const KEY = '0123456789abcdef';

describe('loadConfig', () => {
  test('with nothing set gives the documented defaults', () => {
    const { cwd, load } = setup();

    expect(load()).toEqual({
      host: '127.0.0.1',
      port: 8002,
      tracing: { isDisabled: false, exporter: 'otlp', sampler: 'parentbased_always_on', sampledShare: 1 },
      portIsSet: false,
      dataDir: join(cwd, 'data'),
      databaseUrl: undefined,
      redisUrl: undefined,
      allowUnsafeRedis: false,
      discover: true,
      demo: 'auto',
      apiKeys: [],
      corsOrigins: [],
      outboundAllow: [],
      failPoints: '',
      webhookSecret: undefined,
      serverUrl: undefined,
      serverKey: undefined,
      prices: {},
      retention: { runsDays: 30, eventsDays: 30, ledgerDays: 90, ingestsDays: 30, vectorsDays: 30 },
      servers: [],
      logLevel: 'info',
      classes: {
        lightweight: { models: ['phi3', 'openchat'], concurrency: 64, queueDepth: 1000 },
        heavyweight: { models: ['mixtral', 'nous-hermes2'], concurrency: 64, queueDepth: 1000 },
        embedding: { models: ['nomic-embed-text'], concurrency: 64, queueDepth: 1000 },
      },
      aliases: {},
      networks: { servers: ['loopback', 'private'], outbound: [] },
      limits: {
        bodyBytes: 10_485_760,
        ingestBytes: 33_554_432,
        uploadBytes: 104_857_600,
        jsonDepth: 64,
        outputBytes: 4_194_304,
        startMs: 60_000,
        connectMs: 1_000,
        firstTokenMs: 10_000,
        loadMs: 120_000,
        idleMs: 15_000,
        totalMs: 600_000,
        attempts: 3,
        retryBudget: 0.2,
        retryFloorPer10s: 10,
        stepsAtOnce: 512,
        modelHoldMs: 2_000,
      },
      rag: { ingestGroups: 3, embedTexts: 64, embedTokens: 8_192, embedCalls: 2 },
      isTrialWithoutFencing: false,
      health: {
        intervalMs: 30_000,
        suspiciousIntervalMs: 1_000,
        unhealthyAfter: 3,
        healthyAfter: 5,
        passive: true,
        timeoutMs: 5_000,
      },
      serverKeys: {},
      readServerKey: expect.any(Function),
      notices: [],
    });
  });

  test('reads every kind of value from the environment', () => {
    const config = setup().load({
      HOST: '::1',
      PORT: '0',
      CITADEL_DATA_DIR: '/var/lib/citadel',
      DATABASE_URL: 'postgresql://u:p@db/citadel',
      REDIS_URL: 'rediss://:p@cache:6380/1',
      CITADEL_ALLOW_UNSAFE_REDIS: '1',
      CITADEL_DISCOVER: 'off',
      CITADEL_DEMO: 'on',
      CITADEL_API_KEYS: `ops:admin:${KEY}, app:user:with:colons:${KEY}`,
      CITADEL_SERVERS: '[{"id":"gpu1","hostname":"10.0.0.5","port":11434,"protocol":"ollama"}]',
      LOG_LEVEL: 'debug',
      CITADEL_CLASSES_LIGHTWEIGHT_MODELS: 'phi3, qwen3 ,',
      CITADEL_CLASSES_LIGHTWEIGHT_CONCURRENCY: '8',
      CITADEL_LIMITS_FIRST_TOKEN_MS: '2500',
      CITADEL_LIMITS_RETRY_BUDGET: '0.35',
      CITADEL_LIMITS_RETRY_FLOOR_PER_10S: '4',
      CITADEL_HEALTH_INTERVAL_MS: '100',
    });

    expect(config).toMatchObject({
      host: '::1',
      port: 0,
      portIsSet: true,
      dataDir: '/var/lib/citadel',
      databaseUrl: 'postgresql://u:p@db/citadel',
      redisUrl: 'rediss://:p@cache:6380/1',
      allowUnsafeRedis: true,
      discover: false,
      demo: 'on',
      apiKeys: [
        { name: 'ops', role: 'admin', key: KEY },
        { name: 'app', role: 'user', key: `with:colons:${KEY}` },
      ],
      servers: [
        { id: 'gpu1', hostname: '10.0.0.5', port: 11434, protocol: 'ollama', base_path: '/v1', weight: 1 },
      ],
      logLevel: 'debug',
      classes: { lightweight: { models: ['phi3', 'qwen3'], concurrency: 8, queueDepth: 1000 } },
      limits: { firstTokenMs: 2500, retryBudget: 0.35, retryFloorPer10s: 4 },
      health: { intervalMs: 100 },
    });
  });

  test('prices come from the file, or as JSON from the environment', () => {
    const { load, problems } = setup({ 'citadel.yaml': 'prices: { phi3: { input: 0.5, output: 1 } }\n' });

    expect(load().prices).toEqual({ phi3: { input: 0.5, output: 1 } });
    expect(load({ CITADEL_PRICES: '{"x":{"input":0,"output":2}}' }).prices).toEqual({
      x: { input: 0, output: 2 },
    });
    expect(problems({ CITADEL_PRICES: '{"x":{"input":-1,"output":2}}' })).toEqual([
      expect.stringContaining('CITADEL_PRICES.x.input'),
    ]);
  });

  test('what webhooks and http steps may reach is read from the file and from the environment, and both count', () => {
    const { load } = setup({ 'citadel.yaml': 'networks: {outbound: [10.0.0.0/8]}\n' });

    expect(load({ CITADEL_OUTBOUND_ALLOW: '127.0.0.1/32, fd00::/8' })).toMatchObject({
      networks: { outbound: ['10.0.0.0/8', '127.0.0.1/32', 'fd00::/8'] },
    });
  });

  test('a key for commands is not taken for the keys of a server without a word', () => {
    expect(setup().load({ CITADEL_API_KEY: KEY })).toMatchObject({
      serverKey: KEY,
      apiKeys: [],
      notices: [
        expect.stringMatching(
          /^CITADEL_API_KEY is read by the runs and jobs commands alone.*CITADEL_API_KEYS/,
        ),
      ],
    });
  });

  test('aliases and networks are read from the file, or from JSON and a list in the environment', () => {
    const { load } = setup({
      'citadel.yaml': 'aliases: {fast: [phi3, openchat]}\nnetworks: {servers: [private, "2001:db8::/32"]}\n',
    });

    expect(load()).toMatchObject({
      aliases: { fast: ['phi3', 'openchat'] },
      networks: { servers: ['private', '2001:db8::/32'] },
    });
    const env = { CITADEL_ALIASES: '{"a":["b"]}', CITADEL_NETWORKS_SERVERS: 'loopback, 10.0.0.0/8' };
    expect(load(env)).toMatchObject({
      aliases: { a: ['b'] },
      networks: { servers: ['loopback', '10.0.0.0/8'] },
    });
  });

  test("a server that is registered later gets the variable it names, and none of Citadel's own", () => {
    const { readServerKey } = setup().load({
      GPU2_KEY: 'sk-2',
      DATABASE_URL: 'postgres://u:p@db/citadel',
      CITADEL_API_KEYS: `a:user:${KEY}`,
    });

    expect(['GPU2_KEY', 'DATABASE_URL', 'CITADEL_API_KEYS', 'NOT_THERE'].map(readServerKey)).toEqual([
      'sk-2',
      undefined,
      undefined,
      undefined,
    ]);
  });

  test('an empty variable counts as not set', () => {
    expect(setup().load({ PORT: '', REDIS_URL: ' ', CITADEL_CONFIG: '' })).toMatchObject({ port: 8002 });
  });

  test('one load cannot change the defaults of the next', () => {
    const { load } = setup();
    load().classes.lightweight.models.push('mine');

    expect(load().classes.lightweight.models).toEqual(['phi3', 'openchat']);
  });

  test('the environment wins over the file, value by value, and over its servers as a whole', () => {
    const { load } = setup({
      'citadel.yaml': `
        servers: [{id: a, hostname: a, port: 1}, {id: b, hostname: b, port: 2}]
        limits: {attempts: 5, idle_ms: 1}
        classes:
          embedding: {models: [bge], queue_depth: 7}
        health:
      `,
    });

    expect(load()).toMatchObject({
      servers: [{ id: 'a' }, { id: 'b' }],
      limits: { attempts: 5, idleMs: 1, totalMs: 600_000 },
      classes: { embedding: { models: ['bge'], queueDepth: 7, concurrency: 64 } },
      health: { intervalMs: 30_000 },
    });
    const env = {
      CITADEL_LIMITS_IDLE_MS: '2',
      CITADEL_SERVERS: '[{"id":"c","hostname":"c","port":3}]',
      CITADEL_CLASSES_EMBEDDING_MODELS: 'e5',
    };
    const config = load(env);
    expect(config.servers.map(({ id }) => id)).toEqual(['c']);
    expect(config).toMatchObject({
      limits: { attempts: 5, idleMs: 2 },
      classes: { embedding: { models: ['e5'], queueDepth: 7 } },
    });
  });

  test('CITADEL_SERVERS and CITADEL_CONFIG may name files, found from the working directory', () => {
    const { load } = setup({
      'servers.json': '[{"id":"a","hostname":"h","port":1}]',
      'other.yaml': 'limits: {attempts: 1}',
      'citadel.yaml': 'limits: {attempts: 9}',
    });

    expect(load({ CITADEL_SERVERS: 'servers.json', CITADEL_CONFIG: './other.yaml' })).toMatchObject({
      servers: [{ id: 'a' }],
      limits: { attempts: 1 },
    });
  });

  test("a server's key is read from the variable that its registration names, whatever the variable's name", () => {
    const { load } = setup();
    const servers = [
      { id: 'constructor', hostname: 'h', port: 1 },
      { id: 'gpu1', hostname: 'h', port: 1, api_key_env: 'CITADEL_GPU1_KEY' },
    ];

    const { serverKeys } = load({ CITADEL_SERVERS: JSON.stringify(servers), CITADEL_GPU1_KEY: 'sk-1' });

    expect(serverKeys).toEqual({ gpu1: 'sk-1' });
    expect(serverKeys.constructor).toBeUndefined();
  });

  test.each([
    ['127.0.0.1', true],
    ['127.9.9.9', true],
    ['::1', true],
    ['localhost', true],
    ['0.0.0.0', false],
    ['::', false],
    ['192.168.1.4', false],
    ['example.com', false],
    ['127.example.com', false],
  ])('an address is known to be of this machine alone: %s, %s', (host, expected) => {
    expect(isLoopback(host)).toBe(expected);
  });

  test('origins that may call are exact ones', () => {
    const { load, problems } = setup();

    expect(load({ CITADEL_CORS_ORIGINS: 'https://a.example, http://localhost:3000' }).corsOrigins).toEqual([
      'https://a.example',
      'http://localhost:3000',
    ]);
    for (const CITADEL_CORS_ORIGINS of [
      '*',
      'a.example',
      'https://a.example/',
      'https://A.example',
      'null',
    ]) {
      expect(problems({ CITADEL_CORS_ORIGINS })).toEqual([
        expect.stringMatching(/^CITADEL_CORS_ORIGINS.*takes exact origins such as https:/),
      ]);
    }
  });

  test('variables that Kubernetes sets for a service called citadel do not stop the start', () => {
    const env = {
      CITADEL_SERVICE_HOST: '10.0.0.1',
      CITADEL_SERVICE_PORT: '8002',
      CITADEL_SERVICE_PORT_HTTP: '8002',
      CITADEL_PORT: 'tcp://10.0.0.1:8002',
      CITADEL_API_PORT_8002_TCP_ADDR: '10.0.0.1',
    };
    expect(setup().problems(env)).toEqual([]);
  });
});

describe('the help', () => {
  test('lists each variable once, with its default', () => {
    const names = CONFIG_HELP.map(({ name }) => name);

    expect(new Set(names).size).toBe(names.length);
    expect(CONFIG_HELP).toContainEqual({
      name: 'CITADEL_LIMITS_FIRST_TOKEN_MS',
      default: '10000',
      description: expect.any(String),
    });
    expect(CONFIG_HELP).toContainEqual({ name: 'PORT', default: '8002', description: expect.any(String) });
  });

  test('every variable in it is one that the configuration reads', () => {
    const wrong = Object.fromEntries(CONFIG_HELP.map(({ name }) => [name, '\0wrong']));
    const problems = setup().problems(wrong);

    const unread = CONFIG_HELP.filter(({ name }) => !problems.some((problem) => problem.startsWith(name)));
    expect(unread.map(({ name }) => name)).toEqual([
      'CITADEL_CLASSES_LIGHTWEIGHT_MODELS',
      'CITADEL_CLASSES_HEAVYWEIGHT_MODELS',
      'CITADEL_CLASSES_EMBEDDING_MODELS',
    ]);
  });
});
