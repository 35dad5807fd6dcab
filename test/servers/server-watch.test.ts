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
  /** Whether it runs by the real clock. */
  runs?: boolean;
  random?: number[];
}

function setup(options: Options = {}) {
  /** Servers that do not answer, by id. */
  const away = new Set<string>();
  /** Ports at which a server is found. */
  const listening = new Set<number>();
  /** Servers whose checks hang, by id, and what became of these. */
  const hung = new Set<string>();
  const hang = (id: string, signal?: AbortSignal) => {
    hung.add(`${id}, asked`);
    return new Promise((_, reject) => {
      signal?.addEventListener('abort', () => {
        hung.add(`${id}, ended`);
        reject(signal.reason);
      });
    });
  };
  const asked: ServerAddress[] = [];
  const demo = { started: 0, stopped: 0 };
  const clock = { nowMs: 0 };
  const lines: { message: string; server?: string }[] = [];
  const registry = createRegistry(RULES);
  const watch = createServerWatch({
    registry,
    client: {
      async report(address, _timeoutMs, signal) {
        asked.push(address);
        if (hung.has(address.id)) await hang(address.id, signal);
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
    suspiciousIntervalMs: 1_000,
    timeoutMs: 1_000,
    now: options.runs ? undefined : () => clock.nowMs,
    random: () => options.random?.shift() ?? 1,
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
  /** Lets the time pass in which each server is checked once, and does what is due. */
  async function passTime(ms = options.intervalMs ?? 60_000) {
    clock.nowMs += ms;
    await watch.tick();
  }
  return { watch, registry, states, messages, away, hung, listening, asked, demo, passTime };
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
    const { watch, states, messages, away, passTime } = setup({ servers: [registrationOf('a')] });
    await watch.start();

    away.add('a');
    for (let check = 0; check < 5; check++) await passTime();
    expect(states()).toEqual({ a: 'unhealthy' });
    away.delete('a');
    for (let check = 0; check < 6; check++) await passTime();

    expect(states()).toEqual({ a: 'healthy' });
    expect(messages()).toEqual(['a model server does not answer: a', 'a model server is back: a']);
  });

  test('looks again by itself, and no more once it has stopped', async () => {
    const { watch, asked } = setup({ servers: [registrationOf('a')], intervalMs: 1, runs: true });
    await watch.start();
    await waitFor(() => asked.length > 3, 'looks');

    await watch.stop();
    await watch.stop();
    const looks = asked.length;
    await new Promise((resolve) => setTimeout(resolve, 20));

    expect(asked).toHaveLength(looks);
  });
});

describe('the times at which a server is checked', () => {
  const checksOf = (asked: ServerAddress[], server: string) => asked.filter(({ id }) => id === server).length;

  test.each([
    ['a healthy one: not before its share of the interval', false, 44_999, 1],
    ['a healthy one: within the interval', false, 45_000, 2],
    ['a suspicious one: not before a second has passed', true, 999, 1],
    ['a suspicious one: after a second', true, 1_000, 2],
  ])('%s', async (_, isSuspect, afterMs, checks) => {
    const { watch, registry, asked, passTime } = setup({ servers: [registrationOf('a')], random: [0] });
    await watch.start();
    const health = registry.server('a')?.health;
    if (health) registry.setHealth('a', { ...health, isSuspect });

    await passTime(afterMs);

    expect(checksOf(asked, 'a')).toBe(checks);
  });

  test('an unhealthy one: after a second, until it is healthy', async () => {
    const { watch, states, away, asked, passTime } = setup({ servers: [registrationOf('a')] });
    away.add('a');
    await watch.start();
    await passTime(1_000);
    expect(states()).toEqual({ a: 'unhealthy' });

    away.delete('a');
    for (let check = 0; check < 5; check++) await passTime(1_000);
    expect(states()).toEqual({ a: 'healthy' });
    const checks = checksOf(asked, 'a');
    await passTime(1_000);

    expect([checks, checksOf(asked, 'a')]).toEqual([7, 7]);
  });

  test('twenty healthy ones are not checked at once', async () => {
    const ids = Array.from({ length: 20 }, (_, index) => `s${index}`);
    const random = ids.map((_, index) => index / 20);
    const { watch, asked, passTime } = setup({ servers: ids.map((id) => registrationOf(id)), random });
    await watch.start();
    let most = 0;

    for (let second = 0; second < 60; second++) {
      const before = asked.length;
      await passTime(1_000);
      most = Math.max(most, asked.length - before);
    }

    expect(asked).toHaveLength(40);
    expect(most).toBe(2);
  });

  test('one that is registered while the watch runs is checked at once', async () => {
    const { watch, registry, states } = setup({ runs: true });
    await watch.start();

    registry.put(registrationOf('late'));

    await waitFor(() => states().late === 'healthy', 'the check');
  });

  test('a check that hangs holds up no other, is made once at a time, and ends with the watch', async () => {
    const servers = [registrationOf('hung'), registrationOf('quick')];
    const { watch, asked, hung } = setup({ servers, intervalMs: 5, runs: true });
    await watch.start();
    hung.add('hung');
    await waitFor(() => hung.has('hung, asked'), 'the check that hangs');
    const before = checksOf(asked, 'hung');
    const quickBefore = checksOf(asked, 'quick');

    await waitFor(() => checksOf(asked, 'quick') > quickBefore + 3, 'checks of the other one');
    expect(checksOf(asked, 'hung')).toBe(before);
    await watch.stop();

    expect(hung.has('hung, ended')).toBe(true);
  });

  test('what was asked of a server that is registered anew meanwhile does not count for the new one', async () => {
    const { watch, registry, states, hung } = setup({
      servers: [registrationOf('a')],
      intervalMs: 5,
      runs: true,
    });
    await watch.start();
    hung.add('a');
    await waitFor(() => hung.has('a, asked'), 'the check that hangs');

    registry.put(registrationOf('a', { port: 9001 }));
    await watch.stop();

    expect(states()).toEqual({ a: 'unknown' });
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
    const { watch, demo, states, listening, passTime } = setup({ demo: 'auto', discover: true });
    await watch.start();

    listening.add(8000);
    await passTime();

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
