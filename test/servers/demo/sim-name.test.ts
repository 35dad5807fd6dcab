import { describe, expect, test } from '@jest/globals';
import { FAULT_NAMES } from '../../../servers/demo/faults.ts';
import { parseSimName } from '../../../servers/demo/sim-name.ts';
import { HELLO, post, setup } from './setup.ts';

describe('a simulated name', () => {
  test.each([
    ['sim:hang', { fault: 'hang' }],
    ['sim:first=50+token=20+tokens=100', { firstTokenMs: 50, tokenMs: 20, tokens: 100 }],
    ['sim:stall+first=10', { fault: 'stall', firstTokenMs: 10 }],
    ['sim:first=10+stall', { fault: 'stall', firstTokenMs: 10 }],
    ['sim:tokens=0', { tokens: 0 }],
    ['phi3', undefined],
    ['sim:', undefined],
    ['sim:nothing', undefined],
    ['sim:first=', undefined],
    ['sim:first=-1', undefined],
    ['sim:first=1.5', undefined],
    ['sim:tokens=9999999', undefined],
    ['sim:hang+stall', undefined],
    ['sim:first=1+first=2', undefined],
    ['sim:toString', undefined],
    ['sim:constructor=1', undefined],
  ])('%s reads as %j', (name, behaviour) => {
    expect(parseSimName(name)).toEqual(behaviour);
  });

  test.each(FAULT_NAMES)('sim:$name is a name, and has a line of help', ({ name, about }) => {
    expect(parseSimName(`sim:${name}`)).toEqual({ fault: name });
    expect(about).toMatch(/^\S.{5,90}[^.]$/);
  });
});

describe('a server', () => {
  const ask = (model: string) => ({ ...HELLO, model });

  test('takes any simulated name only when told to', async () => {
    await using closed = await setup();
    await using open = await setup({ simModels: true });
    const path = '/v1/chat/completions';
    expect((await post(closed.url + path, ask('sim:error-503'))).status).toBe(404);
    expect((await post(open.url + path, ask('sim:error-503'))).status).toBe(503);
    expect((await post(open.url + path, ask('sim:nothing'))).status).toBe(404);
    expect((await post(open.url + path, ask('citadel-demo'))).status).toBe(200);
  });

  test('takes a simulated name that it lists', async () => {
    await using server = await setup({ models: [{ id: 'sim:error-503' }] });
    expect((await post(`${server.url}/v1/chat/completions`, ask('sim:error-503'))).status).toBe(503);
    expect((await post(`${server.url}/v1/chat/completions`, ask('sim:error-500'))).status).toBe(404);
  });

  test.each([0, 1, 7, 57, 500])('answers with exactly %d tokens when told to', async (tokens) => {
    await using server = await setup({ simModels: true });
    const { text } = await post(`${server.url}/v1/chat/completions`, ask(`sim:tokens=${tokens}`));
    const { usage, choices } = JSON.parse(text);
    expect([usage.completion_tokens, choices[0].finish_reason]).toEqual([tokens, 'stop']);
  });

  test("a name's fault goes before the server's, and only generating calls fail", async () => {
    await using server = await setup({ simModels: true, fault: 'error-500' });
    const path = `${server.url}/v1/chat/completions`;
    expect((await post(path, ask('citadel-demo'))).status).toBe(500);
    expect((await post(path, ask('sim:error-503'))).status).toBe(503);
    expect((await fetch(`${server.url}/v1/models`)).status).toBe(200);
    expect((await fetch(`${server.url}/health`)).status).toBe(200);
    server.setFault(undefined);
    expect((await post(path, ask('citadel-demo'))).status).toBe(200);
  });
});
