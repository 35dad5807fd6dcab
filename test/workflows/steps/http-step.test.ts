import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import { createHttpCalls } from '../../../outbound/http-calls.ts';
import { createHttpStep } from '../../../workflows/steps/http-step.ts';
import { attemptOf, NEVER } from './attempt-bundle.ts';

const stops: (() => void)[] = [];

afterEach(() => {
  for (const stop of stops.splice(0)) stop();
});

interface Heard {
  method: string | undefined;
  headers: IncomingMessage['headers'];
  body: string;
}

/** A server on loopback that answers so, and the step in front of it. */
async function setup(answer: (res: ServerResponse) => void, networks: string[] = ['loopback']) {
  const heard: Heard[] = [];
  const server = createServer((req, res) => {
    let body = '';
    req.setEncoding('utf8').on('data', (text) => {
      body += text;
    });
    req.on('end', () => {
      heard.push({ method: req.method, headers: req.headers, body });
      answer(res);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  stops.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/there?a=1`;
  const step = createHttpStep(createHttpCalls(networks));
  const run = (fields: object, rest: object = {}) => {
    const { attempt } = attemptOf({ type: 'http', ...rest }, { method: 'POST', url, ...fields });
    return step(attempt, NEVER);
  };
  return { heard, url, step, run };
}

describe('an http step', () => {
  test("is a part of its run's trace, where the step says no other", async () => {
    const { heard, url, step } = await setup((res) => res.end());
    const trace = { traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`, tracestate: 'x=1' };
    const send = (fields: object, rest: object) =>
      step(attemptOf({ type: 'http' }, { method: 'GET', url, ...fields }, rest).attempt, NEVER);

    await send({}, { trace });
    await send({ headers: { Traceparent: 'its own' } }, { trace });
    await send({}, {});

    expect(heard.map(({ headers }) => [headers.traceparent, headers.tracestate])).toEqual([
      [trace.traceparent, trace.tracestate],
      ['its own', trace.tracestate],
      [undefined, undefined],
    ]);
  });

  test('sends JSON with its idempotency key, and reads JSON', async () => {
    const { heard, run } = await setup((res) => {
      res.writeHead(201, { 'content-type': 'application/json', 'x-two': ['a', 'b'] }).end('{"id":7}');
    });

    const end = await run({ body: { n: 1 }, headers: { 'X-Mine': 'yes' } });

    expect(end).toMatchObject({
      status: 'succeeded',
      output: { status: 201, headers: { 'x-two': 'a, b' }, body: { id: 7 } },
    });
    expect(heard).toMatchObject([
      {
        method: 'POST',
        body: '{"n":1}',
        headers: { 'idempotency-key': 'run_1/a', 'content-type': 'application/json', 'x-mine': 'yes' },
      },
    ]);
  });

  test('gives any answer below 500 as it is, redirects too', async () => {
    const { heard, run } = await setup((res) => res.writeHead(302, { location: '/elsewhere' }).end('go'));

    expect(await run({ method: 'GET' })).toMatchObject({ output: { status: 302, body: 'go' } });
    expect(heard).toHaveLength(1);
  });

  test.each([
    [503, { 'retry-after': '7' }, { class: 'transient', code: 'http_503', retryAfterMs: 7_000 }],
    [429, { 'retry-after': '2' }, { class: 'rate_limited', code: 'http_429', retryAfterMs: 2_000 }],
    [500, {}, { class: 'transient', code: 'http_500' }],
  ])('fails when it is answered %d', async (status, headers, error) => {
    const { run } = await setup((res) => res.writeHead(status, headers).end());

    expect(await run({})).toMatchObject({ status: 'failed', error });
  });

  test('does not call what it may not', async () => {
    const { heard, run, url } = await setup((res) => res.end(), []);

    await expect(run({})).rejects.toMatchObject({ code: 'forbidden' });
    await expect(run({ url: url.replace('127.0.0.1', 'localhost') })).rejects.toMatchObject({
      code: 'forbidden',
    });
    await expect(run({ url: 'http://169.254.169.254/' })).rejects.toMatchObject({ code: 'forbidden' });
    await expect(run({ url: 'file:///etc/passwd' })).rejects.toMatchObject({ code: 'invalid_request' });
    await expect(run({ url: 'http://a:b@example.com/' })).rejects.toMatchObject({ code: 'invalid_request' });
    expect(heard).toEqual([]);
  });

  test('does not take more than 4 MiB, and waits no longer than it may', async () => {
    const large = await setup((res) => res.end('x'.repeat(4_194_305)));
    const silent = await setup(() => {});
    const cut = await setup((res) => res.destroy());

    await expect(large.run({})).rejects.toMatchObject({ code: 'payload_too_large' });
    await expect(silent.run({}, { timeout: '50ms' })).rejects.toMatchObject({ code: 'deadline_exceeded' });
    await expect(cut.run({})).rejects.toMatchObject({ code: 'bad_backend' });
  });

  test('that is stopped ends with the reason', async () => {
    const { step, url, heard } = await setup(() => {});
    const abort = new AbortController();
    const { attempt } = attemptOf({ type: 'http' }, { method: 'GET', url });

    const ending = step(attempt, abort.signal);
    const stopWhenHeard = setInterval(() => heard.length > 0 && abort.abort('stopped'), 5);

    await expect(ending).rejects.toBe('stopped');
    clearInterval(stopWhenHeard);
  });
});
