import { describe, expect, test } from '@jest/globals';
import { countServers, readQueues, readStores, statusOf } from '../../api/health-report.ts';
import { createRegistry, type ServerState } from '../../servers/registry.ts';
import { registrationOf } from '../servers/registration.ts';
import { expectWithin, inTime } from '../support/in-time.ts';

function serversIn(...states: ServerState[]) {
  const registry = createRegistry({ models: { lightweight: [], heavyweight: [], embedding: [] } });
  return states.map((state, index) => Object.assign(registry.put(registrationOf(`s${index}`)), { state }));
}

describe('the status of the cluster', () => {
  test.each([
    [[], [], 'unhealthy'],
    [['healthy'], ['up'], 'healthy'],
    [['healthy', 'degraded'], ['up'], 'degraded'],
    [['healthy', 'unhealthy'], ['up'], 'degraded'],
    [['healthy', 'draining'], ['up'], 'degraded'],
    [['unhealthy', 'draining'], ['up'], 'unhealthy'],
    [['healthy'], ['up', 'down'], 'degraded'],
    [['healthy'], ['down', 'down'], 'unhealthy'],
  ] as const)('with servers %j and stores %j is %s', (states, stores, expected) => {
    expect(statusOf(serversIn(...states), stores)).toBe(expected);
  });

  test('the counts of servers add up to their total', () => {
    const { total_servers, ...counts } = countServers(
      serversIn('healthy', 'degraded', 'draining', 'unknown', 'unhealthy'),
    );

    expect(total_servers).toBe(5);
    expect(Object.values(counts).reduce((sum, count) => sum + count, 0)).toBe(5);
  });
});

test('a store that fails or never answers is down after two seconds, and holds no other up', () =>
  inTime(async () => {
    const start = performance.now();
    const stores = await readStores([
      { name: 'queue', kind: 'redis', ping: () => Promise.reject(new Error('refused')) },
      { name: 'database', kind: 'postgres', ping: () => new Promise(() => {}) },
      { name: 'other', kind: 'pglite', ping: async () => {} },
    ]);

    expect(stores).toEqual({
      queue: { kind: 'redis', status: 'down' },
      database: { kind: 'postgres', status: 'down' },
      other: { kind: 'pglite', status: 'up' },
    });
    expectWithin(4_000, performance.now() - start);
  }));

test('a queue that cannot be counted is down, without numbers', async () => {
  const counts = { waiting: 1, active: 2, delayed: 0, dead: 3 };
  const queues = await readQueues({
    queues: {
      queue: (name) =>
        ({
          counts: () => (name === 'embedding' ? Promise.reject(new Error('away')) : Promise.resolve(counts)),
          isPaused: () => Promise.resolve(name === 'heavyweight'),
        }) as never,
    },
  });

  expect(queues).toEqual({
    lightweight: { status: 'up', paused: false, ...counts },
    heavyweight: { status: 'up', paused: true, ...counts },
    embedding: { status: 'down', paused: false, waiting: null, active: null, delayed: null, dead: null },
  });
});
