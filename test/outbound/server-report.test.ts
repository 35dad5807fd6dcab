import { afterEach, describe, expect, test } from '@jest/globals';
import { createModelClient } from '../../outbound/model-client.ts';
import type { ServerAddress } from '../../servers/model-client.ts';
import { LOCAL_GUARD } from '../support/local-guard.ts';
import { type ScriptedServer, sendJson, startScriptedServer, waitFor } from '../support/scripted-server.ts';
import { timers } from './support.ts';

type Handlers = Parameters<typeof startScriptedServer>[0];

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function setup(handlers: Handlers) {
  const server = await startScriptedServer(handlers);
  const client = createModelClient({ guard: LOCAL_GUARD });
  closers.push(client.close, server.close);
  return {
    server,
    report: (how: Partial<ServerAddress> = {}, ms = 1_000) => client.report(toAddress(server, how), ms),
  };
}

function toAddress({ origin }: ScriptedServer, how: Partial<ServerAddress>): ServerAddress {
  return { id: 'one', origin, basePath: '/v1', protocol: 'openai', ...how };
}

const lists = (...data: unknown[]): Handlers => ({
  '/v1/models': (res) => sendJson(res, { object: 'list', data }),
});

describe('the report of an OpenAI server', () => {
  test('names its models, and sends its key', async () => {
    const { server, report } = await setup(
      lists({ id: 'a', object: 'model', created: 7, owned_by: 'me', extra: {} }),
    );
    expect(await report({ apiKey: 'sk-1' })).toEqual({
      models: [{ id: 'a', created: 7, ownedBy: 'me', loaded: null }],
    });
    expect(server.requests[0]).toMatchObject({ method: 'GET', headers: { authorization: 'Bearer sk-1' } });
  });

  test.each([
    ['vLLM', { id: 'm', owned_by: 'vllm' }, { loaded: true }],
    [
      'llama.cpp',
      { id: 'm', owned_by: 'llamacpp', meta: { n_params: 8_030_261_312 } },
      { loaded: true, parameters: 8_030_261_312 },
    ],
    [
      'llama.cpp with several models',
      { id: 'm', owned_by: 'llamacpp', status: { value: 'unloaded' } },
      { loaded: false },
    ],
    ['LM Studio', { id: 'm', state: 'not-loaded' }, { loaded: false }],
    ['one that does not say', { id: 'm' }, { loaded: null }],
    [
      'one with odd fields',
      { id: 'm', created: 'x', owned_by: 3, meta: { n_params: -1 }, status: 1 },
      { loaded: null, parameters: undefined },
    ],
  ])('says what is loaded: %s', async (_name, model, expected) => {
    const { report } = await setup(lists(model));
    expect((await report()).models).toMatchObject([{ id: 'm', ...expected }]);
  });

  test('passes over entries without an id, and takes 1000 at most', async () => {
    const many = Array.from({ length: 1_500 }, (_, i) => ({ id: `m${i}` }));
    const { report } = await setup(lists(null, 'x', {}, { id: '' }, ...many));
    const { models } = await report();
    expect(models[0]?.id).toBe('m0');
    expect(models.length).toBeLessThanOrEqual(1_000);
  });

  test.each<[string, Handlers, object]>([
    ['a page', { '/v1/models': (res) => void res.end('<html>') }, { kind: 'malformed' }],
    ['another shape', { '/v1/models': (res) => sendJson(res, { models: [] }) }, { kind: 'malformed' }],
    [
      'a redirect',
      { '/v1/models': (res) => void res.writeHead(302, { location: '/other' }).end() },
      { kind: 'status', status: 302 },
    ],
    ['an error', {}, { kind: 'status', status: 404 }],
    ['5 MB', lists({ id: 'x'.repeat(5 * 1024 * 1024) }), { kind: 'too_large' }],
    ['silence', { '/v1/models': () => {} }, { kind: 'timeout' }],
    [
      'a body without end',
      { '/v1/models': (res) => void res.writeHead(200).write('{') },
      { kind: 'timeout' },
    ],
    [
      'a broken body',
      { '/v1/models': (res, { socket }) => void res.writeHead(200).write('{', () => socket.destroy()) },
      { kind: 'cut' },
    ],
  ])('fails on %s, and leaves nothing open', async (_name, handlers, expected) => {
    const before = timers();
    const { server, report } = await setup(handlers);
    const limitMs = 'kind' in expected && expected.kind === 'timeout' ? 100 : 5_000;
    await expect(report({}, limitMs)).rejects.toMatchObject(expected);
    await waitFor(() => server.openCalls() === 0 && timers() <= before + 1);
    expect(server.requests).toHaveLength(1);
  });

  test('fails as unreachable where nobody listens', async () => {
    const { report } = await setup({});
    await expect(report({ origin: 'http://127.0.0.1:1' })).rejects.toMatchObject({ kind: 'unreachable' });
  });
});

describe('the report of Ollama', () => {
  const tags: Handlers = {
    '/api/tags': (res) =>
      sendJson(res, {
        models: [
          { name: 'llama3:8b', details: { parameter_size: '8.0B' } },
          { name: 'nomic', details: { parameter_size: '137M' } },
          { name: 'odd', details: { parameter_size: 'big' } },
        ],
      }),
  };

  test('names models, sizes and what is loaded', async () => {
    const { report } = await setup({
      ...tags,
      '/api/ps': (res) => sendJson(res, { models: [{ name: 'nomic' }] }),
    });
    expect(await report({ protocol: 'ollama' })).toEqual({
      models: [
        { id: 'llama3:8b', parameters: 8_000_000_000, loaded: false },
        { id: 'nomic', parameters: 137_000_000, loaded: true },
        { id: 'odd', loaded: false },
      ],
    });
  });

  test('does not know what is loaded where there is no /api/ps', async () => {
    const { report } = await setup(tags);
    expect((await report({ protocol: 'ollama' })).models.map(({ loaded }) => loaded)).toEqual([
      null,
      null,
      null,
    ]);
  });

  test('fails when one of its two questions does', async () => {
    const before = timers();
    const { server, report } = await setup({ ...tags, '/api/ps': () => {} });
    await expect(report({ protocol: 'ollama' }, 100)).rejects.toMatchObject({ kind: 'timeout' });
    await waitFor(() => server.openCalls() === 0 && timers() <= before + 1);
  });
});
