import { afterEach, describe, expect, test } from '@jest/globals';
import { BackendFailure } from '../../core/backend-failure.ts';
import { createLogger } from '../../core/logger.ts';
import type { ServerRegistration } from '../../core/schemas/server-registration.ts';
import type { ServerAddress } from '../../servers/model-client.ts';
import { createRegistry } from '../../servers/registry.ts';
import { createServerWatch, type ServerWatch } from '../../servers/server-watch.ts';
import { waitFor } from '../support/wait-for.ts';
import { registrationOf } from './registration.ts';

const RULES = { models: { lightweight: [], heavyweight: [], embedding: [] } };

const watches: ServerWatch[] = [];

afterEach(async () => {
  await Promise.all(watches.splice(0).map((watch) => watch.stop()));
});

interface Options {
  servers?: ServerRegistration[];
  serverKeys?: Record<string, string>;
  demo?: 'auto' | 'on' | 'off';
  discover?: boolean;
  intervalMs?: number;
}

function setup(options: Options = {}) {
  /** Servers that do not answer, by id. */
  const away = new Set<string>();
  /** Ports at which a server is found. */
  const listening = new Set<number>();
  const asked: ServerAddress[] = [];
  const demo = { started: 0, stopped: 0 };
  const lines: { message: string; server?: string }[] = [];
  const registry = createRegistry(RULES);
  const watch = createServerWatch({
    registry,
    client: {
      async report(address) {
        asked.push(address);
        if (away.has(address.id)) throw new BackendFailure('unreachable', 'away');
        return { models: [{ id: `model-of-${address.id}`, loaded: null }] };
      },
    },
    identify: async (origin) =>
      listening.has(Number(new URL(origin).port)) ? { protocol: 'openai', product: 'vLLM' } : null,
    async startDemo() {
      demo.started++;
      await new Promise((resolve) => setImmediate(resolve));
      return { registration: registrationOf('demo', { port: 9999 }), stop: async () => void demo.stopped++ };
    },
    servers: options.servers ?? [],
    serverKeys: options.serverKeys ?? {},
    discover: options.discover ?? false,
    demo: options.demo ?? 'off',
    ownPorts: new Set([8080]),
    intervalMs: options.intervalMs ?? 60_000,
    timeoutMs: 1_000,
    logger: createLogger({
      level: 'info',
      pretty: false,
      destination: { write: (line) => void lines.push(JSON.parse(line)) },
    }),
  });
  watches.push(watch);
  const states = () =>
    Object.fromEntries(registry.servers().map(({ address, state }) => [address.id, state]));
  const messages = () => lines.map(({ message, server }) => `${message}: ${server}`);
  return { watch, registry, states, messages, away, listening, asked, demo };
}

describe('the watch over known servers', () => {
  test('has looked at each once it has started', async () => {
    const { watch, registry, states, away } = setup({ servers: [registrationOf('a'), registrationOf('b')] });
    away.add('b');

    await watch.start();

    expect(states()).toEqual({ a: 'healthy', b: 'unhealthy' });
    expect(registry.models().map(({ id }) => id)).toEqual(['model-of-a']);
  });

  test('gives each server its own key and no other', async () => {
    const { watch, asked } = setup({
      servers: [registrationOf('a'), registrationOf('b')],
      serverKeys: { a: 'key-of-a' },
    });

    await watch.start();

    expect(asked.map(({ id, apiKey }) => [id, apiKey])).toEqual([
      ['a', 'key-of-a'],
      ['b', undefined],
    ]);
  });

  test('says once that a server went away, and once that it is back', async () => {
    const { watch, states, messages, away } = setup({ servers: [registrationOf('a')] });
    await watch.start();

    away.add('a');
    await watch.tick();
    await watch.tick();
    expect(states()).toEqual({ a: 'unhealthy' });
    away.delete('a');
    await watch.tick();
    await watch.tick();

    expect(states()).toEqual({ a: 'healthy' });
    expect(messages()).toEqual(['a model server does not answer: a', 'a model server is back: a']);
  });

  test('looks again by itself, and no more once it has stopped', async () => {
    const { watch, asked } = setup({ servers: [registrationOf('a')], intervalMs: 1 });
    await watch.start();
    await waitFor(() => asked.length > 3, 'looks');

    await watch.stop();
    await watch.stop();
    const looks = asked.length;
    await new Promise((resolve) => setTimeout(resolve, 20));

    expect(asked).toHaveLength(looks);
  });
});

describe('the demo model', () => {
  test.each([
    ['auto', [], 1],
    ['auto', [registrationOf('a')], 0],
    ['on', [registrationOf('a')], 1],
    ['off', [], 0],
  ] as const)('with demo %s and the servers %j runs %d times', async (mode, servers, times) => {
    const { watch, demo, states } = setup({ demo: mode, servers: [...servers] });

    await watch.start();
    await watch.tick();

    expect(demo).toEqual({ started: times, stopped: 0 });
    expect(states().demo).toBe(times === 1 ? 'healthy' : undefined);
  });

  test('leaves when a server is found', async () => {
    const { watch, demo, states, listening } = setup({ demo: 'auto', discover: true });
    await watch.start();

    listening.add(8000);
    await watch.tick();

    expect(demo).toEqual({ started: 1, stopped: 1 });
    expect(states()).toEqual({ vllm: 'healthy' });
  });

  test('comes back when the last server is removed', async () => {
    const { watch, registry, demo, states } = setup({ demo: 'auto', servers: [registrationOf('a')] });
    await watch.start();

    registry.remove('a');
    await watch.tick();

    expect(demo).toEqual({ started: 1, stopped: 0 });
    expect(states()).toEqual({ demo: 'healthy' });
  });

  test('is started once by two looks at once', async () => {
    const { watch, demo } = setup({ demo: 'auto' });

    await Promise.all([watch.start(), watch.tick()]);

    expect(demo.started).toBe(1);
  });

  test('is stopped once with the watch, even when it was only just starting', async () => {
    const { watch, demo } = setup({ demo: 'auto' });
    const started = watch.start();

    await watch.stop();
    await Promise.all([started, watch.stop()]);

    expect(demo).toEqual({ started: 1, stopped: 1 });
  });
});

describe('discovery', () => {
  test('takes in a server that it finds, once', async () => {
    const { watch, registry, messages, listening } = setup({ discover: true });
    listening.add(8000);

    await watch.start();
    await watch.tick();

    expect(registry.servers().map(({ registration }) => registration)).toEqual([
      registrationOf('vllm', { port: 8000 }),
    ]);
    expect(messages()).toEqual(['found a model server: vllm']);
  });

  test("never takes Citadel's own port for a model server", async () => {
    const { watch, states, listening } = setup({ discover: true });
    listening.add(8080);

    await watch.start();

    expect(states()).toEqual({});
  });

  test('never replaces a configured server of the same name', async () => {
    const configured = registrationOf('vllm', { hostname: '10.0.0.5', port: 9000 });
    const { watch, registry, listening } = setup({ discover: true, servers: [configured] });
    listening.add(8000);

    await watch.start();

    expect(registry.servers().map(({ registration }) => registration)).toEqual([configured]);
  });
});
