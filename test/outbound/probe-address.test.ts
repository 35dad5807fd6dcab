import { afterEach, describe, expect, test } from '@jest/globals';
import { identifyServer } from '../../outbound/probe-address.ts';
import { LOCAL_GUARD } from '../support/local-guard.ts';
import { type ScriptedServer, sendJson, startScriptedServer, waitFor } from '../support/scripted-server.ts';

type Handlers = Parameters<typeof startScriptedServer>[0];

let server: ScriptedServer | undefined;
afterEach(() => server?.close());

async function identify(handlers: Handlers, signal = new AbortController().signal) {
  server = await startScriptedServer(handlers);
  return identifyServer(LOCAL_GUARD, server.origin, 1_000, signal);
}

const models = (data: unknown): Handlers => ({
  '/v1/models': (res) => sendJson(res, { object: 'list', data }),
});
const version: Handlers = { '/api/version': (res) => sendJson(res, { version: '0.30.1' }) };

describe('an address is identified', () => {
  test.each<[string, Handlers, string]>([
    ['vLLM', models([{ id: 'm', owned_by: 'vllm' }]), 'openai'],
    ['llama.cpp', models([{ id: 'm', owned_by: 'llamacpp' }]), 'openai'],
    ['LM Studio', models([{ id: 'm', owned_by: 'organization_owner' }]), 'openai'],
    ['OpenAI-compatible', models([{ id: 'm', owned_by: 'someone' }]), 'openai'],
    ['OpenAI-compatible', models([]), 'openai'],
    ['Ollama', { ...models([{ id: 'm', owned_by: 'library' }]), ...version }, 'ollama'],
    ['Ollama', { ...models(null), ...version }, 'ollama'],
  ])('as %s', async (product, handlers, protocol) => {
    expect(await identify(handlers)).toEqual({ protocol, product });
  });

  test('as llama.cpp by its Server header', async () => {
    const llama: Handlers = {
      '/v1/models': (res) =>
        sendJson(res.setHeader('server', 'llama.cpp'), { object: 'list', data: [{ id: 'm' }] }),
    };
    expect(await identify(llama)).toEqual({ protocol: 'openai', product: 'llama.cpp' });
  });
});

describe('an address is not identified', () => {
  test.each<[string, Handlers]>([
    ['that answers 404', {}],
    ['that sends a page everywhere', { '/v1/models': page, '/api/version': page }],
    ['that has a version alone', version],
    ['that has another list', { '/v1/models': (res) => sendJson(res, { data: [{ name: 'x' }] }) }],
    ['that redirects', { '/v1/models': (res) => void res.writeHead(301, { location: '/v2' }).end() }],
    ['that says nothing', { '/v1/models': () => {} }],
    ['that never ends', { '/v1/models': (res) => void res.writeHead(200).write('{') }],
    ['that sends 2 MB', models([{ id: 'x'.repeat(2 * 1024 * 1024) }])],
  ])('%s', async (_name, handlers) => {
    expect(await identify(handlers)).toBeNull();
    await waitFor(() => server?.sockets.size === 0);
  });

  test('where nobody listens', async () => {
    expect(
      await identifyServer(LOCAL_GUARD, 'http://127.0.0.1:1', 200, new AbortController().signal),
    ).toBeNull();
  });
});

test('only GETs are sent, and no connection stays', async () => {
  await identify({ ...models([{ id: 'm' }]), ...version });
  expect(server?.requests.map(({ method, path }) => `${method} ${path}`)).toEqual([
    'GET /v1/models',
    'GET /api/version',
  ]);
  await waitFor(() => server?.sockets.size === 0);
});

test('aborting throws the reason and closes the connection', async () => {
  const controller = new AbortController();
  const reason = new Error('stop');
  const identity = identify({ '/v1/models': () => controller.abort(reason) }, controller.signal);
  await expect(identity).rejects.toBe(reason);
  await waitFor(() => server?.sockets.size === 0);
});

function page(res: Parameters<Handlers[string]>[0]): void {
  res.writeHead(200, { 'content-type': 'text/html' }).end('<html></html>');
}
