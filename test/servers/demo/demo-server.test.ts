import { request } from 'node:http';
import { describe, expect, test } from '@jest/globals';
import { createDemoServer } from '../../../servers/demo/demo-server.ts';
import { HELLO, post, setup, until } from './setup.ts';

async function get(url: string): Promise<{ status: number; body: unknown }> {
  const res = await fetch(url);
  return { status: res.status, body: await res.json() };
}

describe('listings', () => {
  test('the default models are listed, the large one with its size', async () => {
    await using server = await setup();
    const entry = (id: string) => ({ id, object: 'model', created: 1_735_689_600, owned_by: 'citadel-demo' });
    expect(await get(`${server.url}/v1/models`)).toEqual({
      status: 200,
      body: {
        object: 'list',
        data: [
          entry('citadel-demo'),
          { ...entry('citadel-demo-large'), meta: { n_params: 70e9 } },
          entry('citadel-demo-embed'),
        ],
      },
    });
    expect(await get(`${server.url}/health`)).toEqual({ status: 200, body: { status: 'ok' } });
  });

  test('a model whose name holds a slash and a colon is found by its encoded name', async () => {
    await using server = await setup({ models: [{ id: 'org/model:8b' }] });
    const { status, body } = await get(`${server.url}/v1/models/org%2Fmodel%3A8b`);
    expect([status, body]).toEqual([200, expect.objectContaining({ id: 'org/model:8b' })]);
  });

  test("Ollama's routes answer only where that protocol is spoken", async () => {
    await using plain = await setup();
    await using ollama = await setup({
      protocol: 'ollama',
      models: [
        { id: 'phi3', parameters: 3.8e9 },
        { id: 'tiny', parameters: 137e6, isLoaded: false },
      ],
    });
    for (const path of ['/api/tags', '/api/ps', '/api/version']) {
      expect((await get(plain.url + path)).status).toBe(404);
    }
    const tag = (name: string, size: string) => ({
      name,
      model: name,
      details: { family: 'citadel-demo', parameter_size: size },
    });
    expect((await get(`${ollama.url}/api/tags`)).body).toEqual({
      models: [tag('phi3', '3.8B'), tag('tiny', '137M')],
    });
    expect((await get(`${ollama.url}/api/ps`)).body).toEqual({ models: [tag('phi3', '3.8B')] });
    expect((await get(`${ollama.url}/api/version`)).body).toEqual({ version: expect.any(String) });
  });

  test('an unknown route or model is a 404 in the shape of every error', async () => {
    await using server = await setup();
    expect(await get(`${server.url}/v1/nothing`)).toEqual({
      status: 404,
      body: {
        error: {
          message: 'There is no GET /v1/nothing here.',
          type: 'invalid_request_error',
          param: null,
          code: 'not_found',
        },
      },
    });
    const unknown = {
      error: {
        message: "The model 'gpt-x' does not exist.",
        type: 'invalid_request_error',
        param: 'model',
        code: 'model_not_found',
      },
    };
    expect(await get(`${server.url}/v1/models/gpt-x`)).toEqual({ status: 404, body: unknown });
    const answer = await post(`${server.url}/v1/chat/completions`, { ...HELLO, model: 'gpt-x' });
    expect([answer.status, JSON.parse(answer.text)]).toEqual([404, unknown]);
  });
});

describe('bad requests', () => {
  const user = { role: 'user', content: 'Hello' };
  const model = 'citadel-demo';
  test.each([
    ['/v1/chat/completions', '{"model":', null],
    ['/v1/chat/completions', '[]', null],
    ['/v1/chat/completions', { messages: [user] }, 'model'],
    ['/v1/chat/completions', { model }, 'messages'],
    ['/v1/chat/completions', { model, messages: [] }, 'messages'],
    ['/v1/chat/completions', { model, messages: [{ content: 'x' }] }, 'messages[0].role'],
    ['/v1/chat/completions', { model, messages: [{ role: 'user', content: 7 }] }, 'messages[0].content'],
    ['/v1/chat/completions', { model, messages: [user], n: 0 }, 'n'],
    ['/v1/chat/completions', { model, messages: [user], max_tokens: -1 }, 'max_tokens'],
    ['/v1/chat/completions', { model, messages: [user], stop: 7 }, 'stop'],
    ['/v1/chat/completions', { model, messages: [user], tool_choice: 'required' }, 'tool_choice'],
    ['/v1/chat/completions', { model, messages: [user], stream_options: {} }, 'stream_options'],
    ['/v1/completions', { model, prompt: [1, 'a'] }, 'prompt'],
    ['/v1/completions', { model, prompt: 'a', stream: true, best_of: 2 }, 'best_of'],
    ['/v1/embeddings', { model }, 'input'],
    ['/v1/embeddings', { model, input: [] }, 'input'],
    ['/v1/embeddings', { model, input: 'a', dimensions: 4_096 }, 'dimensions'],
  ])('POST %s with %j is a 400 that names %s', async (path, body, param) => {
    await using server = await setup();
    const { status, text } = await post(server.url + path, body);
    expect(status).toBe(400);
    expect(JSON.parse(text)).toEqual({
      error: { message: expect.any(String), type: 'invalid_request_error', param, code: 'invalid_request' },
    });
  });
});

describe('lifecycle', () => {
  test('a server may be stopped before its start and twice, and starts again at its address', async () => {
    const server = createDemoServer();
    await server.stop();
    expect(() => server.url).toThrow('never started');
    await server.start();
    const { url } = server;
    await server.stop();
    await server.stop();
    await expect(fetch(`${url}/health`)).rejects.toThrow();
    await server.start();
    expect(server.url).toBe(url);
    expect((await fetch(`${url}/health`)).status).toBe(200);
    await server.stop();
  });

  test('a port that is taken fails the start', async () => {
    await using server = await setup();
    const second = createDemoServer({ port: server.port });
    await expect(second.start()).rejects.toThrow('EADDRINUSE');
    await second.stop();
  });

  test('a stop breaks off the calls that run, and they do not count as left by the client', async () => {
    await using server = await setup({ fault: 'hang' });
    const call = post(`${server.url}/v1/chat/completions`, HELLO);
    await until(() => server.openCalls() === 1 && server.requests[0]?.model !== null);
    await server.stop();
    expect((await call).ending).toBe('ECONNRESET');
    await until(() => server.openCalls() === 0);
    expect(server.requests).toEqual([expect.objectContaining({ aborted: false, finished: false })]);
  });
});

describe('what it saw', () => {
  test('a finished call is kept with its body and headers', async () => {
    await using server = await setup();
    await post(`${server.url}/v1/chat/completions?x=1`, HELLO);
    await until(() => server.openCalls() === 0);
    expect(server.requests).toEqual([
      {
        method: 'POST',
        path: '/v1/chat/completions',
        model: 'citadel-demo',
        body: JSON.stringify(HELLO),
        headers: expect.objectContaining({ host: `127.0.0.1:${server.port}` }),
        aborted: false,
        finished: true,
        at: expect.any(Number),
      },
    ]);
  });

  test('a client that leaves a stream is recorded and the stream stops', async () => {
    await using server = await setup({ pacing: { firstTokenMs: 0, tokenMs: 50 }, tokens: 1_000 });
    const url = `${server.url}/v1/chat/completions`;
    await post(url, { ...HELLO, stream: true }, { chunksMax: 3 });
    await until(() => server.openCalls() === 0);
    expect(server.requests).toEqual([expect.objectContaining({ aborted: true, finished: false })]);
  });

  test('a client that leaves within its own body is recorded', async () => {
    await using server = await setup();
    const req = request(`${server.url}/v1/chat/completions`, { method: 'POST' });
    req.on('error', () => {});
    req.write('{"model":');
    await until(() => server.openCalls() === 1);
    req.destroy();
    await until(() => server.openCalls() === 0);
    expect(server.requests).toEqual([expect.objectContaining({ aborted: true, finished: false })]);
  });

  test('only the last 1000 requests are kept', async () => {
    await using server = await setup();
    for (let sent = 0; sent < 1_010; sent += 10) {
      await Promise.all(Array.from({ length: 10 }, (_, at) => fetch(`${server.url}/health?${sent + at}`)));
    }
    expect(server.requests).toHaveLength(1_000);
  });
});
