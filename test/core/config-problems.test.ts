import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { loadConfig } from '../../core/config.ts';
import type { ConfigError } from '../../core/config-error.ts';
import { setupConfig as setup } from '../support/config-bundle.ts';

const KEY = '0123456789abcdef';

describe('a wrong configuration', () => {
  test('is reported whole, one line for each problem, in a message that is ready to print', () => {
    const { cwd } = setup({ 'citadel.yaml': 'limits: {attempts: 0, total_ms: "10"}' });
    let message = '';
    try {
      loadConfig({ env: { PORT: '70000', LOG_LEVEL: 'loud', CITADEL_DISCOVER: 'yes' }, cwd });
    } catch (error) {
      message = (error as ConfigError).message;
    }

    expect(message.split('\n')).toEqual([
      'Citadel cannot start, 5 problems in its configuration:',
      '  - PORT: got 70000, takes a whole number from 0 to 65535.',
      '  - CITADEL_DISCOVER: got "yes", takes on or off.',
      '  - LOG_LEVEL: got "loud", takes trace, debug, info, warn, error, fatal or silent.',
      '  - limits.total_ms in citadel.yaml: got "10", takes a whole number from 1 to 86400000.',
      '  - limits.attempts in citadel.yaml: got 0, takes a whole number from 1 to 10.',
    ]);
  });

  test.each([
    [{ PORT: '80a' }, 'PORT: got "80a", takes a whole number from 0 to 65535.'],
    [{ PORT: '-1' }, 'PORT: got -1, takes a whole number from 0 to 65535.'],
    [{ HOST: 'http://x' }, 'HOST: got "http://x", takes an address such as 127.0.0.1, or a host name.'],
    [
      { CITADEL_LIMITS_RETRY_BUDGET: '20%' },
      'CITADEL_LIMITS_RETRY_BUDGET: got "20%", takes a number from 0 to 1.',
    ],
    [
      { CITADEL_HEALTH_INTERVAL_MS: '1e3' },
      'CITADEL_HEALTH_INTERVAL_MS: got "1e3", takes a whole number from 1 to 86400000.',
    ],
    [
      { CITADEL_NETWORKS_SERVERS: 'loopback,10.0.0.1,10.0.0.0/33' },
      'CITADEL_NETWORKS_SERVERS[1]: got "10.0.0.1", takes loopback, private, or a CIDR such as 203.0.113.0/24.',
      'CITADEL_NETWORKS_SERVERS[2]: got "10.0.0.0/33", takes loopback, private, or a CIDR such as 203.0.113.0/24.',
    ],
    [
      { CITADEL_OUTBOUND_ALLOW: 'public' },
      'CITADEL_OUTBOUND_ALLOW[0]: got "public", takes loopback, private, or a CIDR such as 203.0.113.0/24.',
    ],
    [
      { CITADEL_WEBHOOK_SECRET: 'whsec_c2hvcnQ=' },
      expect.stringMatching(/^CITADEL_WEBHOOK_SECRET: takes whsec_ and 24 to 64 random bytes in base64/),
    ],
    [{ CITADEL_URL: 'ftp://h' }, expect.stringMatching(/^CITADEL_URL: .*takes a URL that begins with http/)],
    [
      { CITADEL_ALIASES: 'fast' },
      'CITADEL_ALIASES: got "fast", takes a mapping of a name to a list of models.',
    ],
    [{ CITADEL_ALIASES: '{"fast":[]}' }, 'CITADEL_ALIASES.fast: got a list, takes at least 1 entries.'],
    ...[
      '2130706433',
      '0x7f.1',
      '10.1',
      'a b',
      'http://h',
      'fe80::1%eth0',
      'h:80',
      'user@h',
      '[10.0.0.1]',
    ].map((hostname): [object, string] => [
      { CITADEL_SERVERS: JSON.stringify([{ id: 'a', hostname, port: 1 }]) },
      `CITADEL_SERVERS[0].hostname: got "${hostname}", takes a host name, or an IP address written in full.`,
    ]),
    [{ CITADEL_SERVERS: '{}' }, 'CITADEL_SERVERS: got a mapping, takes a list.'],
    [
      { CITADEL_SERVERS: '[{"id":"a",]' },
      'CITADEL_SERVERS: is not valid JSON: Expected double-quoted property name at position 11.',
    ],
    [
      { CITADEL_SERVERS: '[{"id":"a","hostname":"h","port":0,"protocol":"grpc","weight":0}]' },
      'CITADEL_SERVERS[0].port: got 0, takes at least 1.',
      'CITADEL_SERVERS[0].protocol: got "grpc", takes openai or ollama.',
      'CITADEL_SERVERS[0].weight: got 0, takes more than 0.',
    ],
  ])('%j says what is taken', (env, ...expected) => {
    expect(setup().problems(env as Record<string, string>)).toEqual(expected);
  });

  test('a file that is named and not there is a problem', () => {
    const { cwd, problems } = setup();
    mkdirSync(join(cwd, 'folder'));

    expect(problems({ CITADEL_CONFIG: 'nowhere.yaml', CITADEL_SERVERS: 'folder' })).toEqual([
      `CITADEL_CONFIG: nowhere.yaml: there is no such file (looked for ${join(cwd, 'nowhere.yaml')}).`,
      'CITADEL_SERVERS: folder: is not a file.',
    ]);
  });

  test.each([
    [
      'limits:\n  attempts: 1\n  attempts: 2\n',
      /^citadel\.yaml: line 3, column 3: Map keys must be unique\.$/,
    ],
    ['limits: {attempts: 1\n', /^citadel\.yaml: line \d, column \d+: .+\.$/],
    ['servers: *nobody\n', /^citadel\.yaml: .*nobody/],
    ['- a\n', /^citadel\.yaml: takes "key: value" lines at its top level\.$/],
  ])('the yaml %j is reported with its line', (text, expected) => {
    const problems = setup({ 'citadel.yaml': text }).problems();

    expect(problems).toEqual([expect.stringMatching(expected)]);
  });

  test('an alias bomb in the file ends as a problem', () => {
    const layers = ['a: &a [x, x, x, x, x, x, x, x, x]'];
    for (const [index, name] of [...'bcdefghi'].entries()) {
      layers.push(`${name}: &${name} [${Array(9).fill(`*${'abcdefgh'[index]}`).join(', ')}]`);
    }

    expect(setup({ 'citadel.yaml': layers.join('\n') }).problems()[0]).toMatch(/^citadel\.yaml: .*alias/);
  });

  test('unknown keys of the file are named, with the key that may be meant', () => {
    const { problems } = setup({
      'citadel.yaml': `
        limits: {first_tokn_ms: 3, retries: 2}
        router: {fast: [phi3]}
        port: 9000
        health: 5
        servers: [{id: a, hostname: h, port: 1, max_concurency: 3}]
      `,
    });

    expect(problems()).toEqual([
      'servers[0].max_concurency in citadel.yaml: is not known to this version. Did you mean max_concurrency?',
      'limits.first_tokn_ms in citadel.yaml: is not known to this version. Did you mean first_token_ms?',
      expect.stringMatching(/^limits\.retries in .* is not known to this version\. Known here: body_bytes, /),
      'router in citadel.yaml: is not known to this version. Known here: servers, log_level, classes, aliases, tracing, prices, networks, limits, rag, retention, health.',
      'port in citadel.yaml: is set in the environment, as PORT.',
      'health in citadel.yaml: takes a mapping of interval_ms, suspicious_interval_ms, unhealthy_after, healthy_after, timeout_ms, passive.',
    ]);
  });

  test('unknown variables are named, with the variable that may be meant', () => {
    expect(
      setup().problems({
        CITADEL_PORT: '1',
        CITADEL_APIKEYS: 'secret',
        CITADEL_COLOUR_OF_SKY: 'secret',
        CITY: '1',
      }),
    ).toEqual([
      'CITADEL_PORT: is not known to this version. Did you mean PORT?',
      'CITADEL_APIKEYS: is not known to this version. Did you mean CITADEL_API_KEYS?',
      'CITADEL_COLOUR_OF_SKY: is not known to this version. "citadel --help" lists the variables.',
    ]);
  });

  test('wrong keys are named by their place, and nothing that may be a key is shown', () => {
    const { problems } = setup();
    const CITADEL_API_KEYS = `sk-aaaaaaaaaaaaaaaa,${KEY}:user:x,a:root:${KEY}1,b:user:${KEY},b:admin:${KEY}`;

    const found = problems({ HOST: '0.0.0.0', CITADEL_API_KEYS });

    expect(found).toEqual([
      'CITADEL_API_KEYS: entry 1 takes name:role:key.',
      'CITADEL_API_KEYS: entry 2 takes a key of 16 to 512 characters without blanks.',
      'CITADEL_API_KEYS: entry 3 takes the role user or admin.',
      'CITADEL_API_KEYS: entry 5 has the name of an earlier entry.',
      'CITADEL_API_KEYS: entry 5 has the key of an earlier entry.',
    ]);
  });

  test('of a wrong URL at most the scheme is shown', () => {
    expect(
      setup().problems({ DATABASE_URL: 'mysql://u:hunter2@h/d', REDIS_URL: 'redis//:hunter2@h' }),
    ).toEqual([
      'DATABASE_URL: got mysql://, takes a URL that begins with postgres:// or postgresql://.',
      'REDIS_URL: takes a URL that begins with redis:// or rediss://.',
    ]);
  });

  test('servers with one id, a wrong port and a missing key variable are all reported', () => {
    const { problems } = setup({
      'citadel.yaml': `
        servers:
          - {id: a, hostname: h, port: 99999, api_key_env: CITADEL_A_KEY}
          - {id: a, hostname: h, port: 1, api_key_env: GPU_KEY}
      `,
    });

    expect(problems({ CITADEL_A_KEY: 'x' })).toEqual([
      'servers[0].port in citadel.yaml: got 99999, takes at most 65535.',
      'servers: entry 1 has the id "a" of entry 0.',
      'GPU_KEY: is not set, and servers entry 1 names it in api_key_env.',
    ]);
  });
});
