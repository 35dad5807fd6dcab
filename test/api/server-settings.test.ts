import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createDemoServer, type DemoServer } from '../../servers/demo/demo-server.ts';
import { chat, startTestCitadel } from '../support/citadel.ts';
import { waitFor } from '../support/wait-for.ts';
import { errorOf, START_LIMIT_MS } from './setup.ts';

let extra: DemoServer;

beforeAll(async () => {
  extra = createDemoServer({ simModels: true, models: [{ id: 'extra-chat' }] });
  await extra.start();
});
afterAll(() => extra.stop());

describe('beside the demo', () => {
  test(
    'the first server that is registered takes its place at once, and it returns when that one is removed',
    async () => {
      const alone = await startTestCitadel({
        env: { CITADEL_SERVERS: '[]', CITADEL_HEALTH_INTERVAL_MS: '3600000' },
      });
      const ids = async () =>
        Object.keys(JSON.parse(await (await alone.get('/orchestration/servers/list')).text()).servers);
      expect(await ids()).toEqual(['demo']);

      await alone.post('/v1/servers', { id: 'first', hostname: '127.0.0.1', port: extra.port });
      await waitFor(async () => (await ids()).join() === 'first', 'the demo has gone');
      await fetch(`${alone.url}/v1/servers/first`, { method: 'DELETE' });
      await waitFor(async () => (await ids()).join() === 'demo', 'the demo is back');

      await alone.stop();
    },
    START_LIMIT_MS,
  );
});

describe('with networks of its own', () => {
  test(
    'a server outside of them is neither called nor registered, and one that is configured says why in the log',
    async () => {
      const strict = await startTestCitadel({
        env: { CITADEL_NETWORKS_SERVERS: '10.0.0.0/8,203.0.113.0/24' },
      });
      const { length } = strict.model.requests;

      const called = await strict.post('/v1/chat/completions', chat('sim-chat'));
      const refused = await strict.post('/v1/servers', { id: 'x', hostname: 'localhost', port: extra.port });

      expect(called.status).toBe(503);
      expect(refused.status).toBe(400);
      expect(await refused.json()).toEqual(
        errorOf('invalid_request', { param: 'hostname', message: /networks/ }),
      );
      expect(strict.model.requests).toHaveLength(length);
      expect(strict.logLines.join('')).toContain('networks.servers');
      await strict.stop();
    },
    START_LIMIT_MS,
  );
});
