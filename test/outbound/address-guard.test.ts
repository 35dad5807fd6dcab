import type { LookupAddress } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { describe, expect, test } from '@jest/globals';
import { createAddressGuard } from '../../outbound/address-guard.ts';
import { createModelClient } from '../../outbound/model-client.ts';
import { expectWithin, inTime } from '../support/in-time.ts';
import { LOCAL_GUARD } from '../support/local-guard.ts';
import { sendJson, startScriptedServer } from '../support/scripted-server.ts';
import { failureOf, toCall } from './support.ts';

const EVERYTHING = createAddressGuard(['0.0.0.0/0', '::/0']);

describe('by default', () => {
  test.each([
    '127.0.0.1',
    '127.255.255.254',
    '::1',
    '0:0:0:0:0:0:0:1',
    '10.0.0.5',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.20',
    'fd12:3456:789a::1',
    'fc00::1',
    '::ffff:10.0.0.5',
    '::ffff:a00:5',
    '0:0:0:0:0:ffff:127.0.0.1',
  ])('a server may be at %s', (address) => {
    expect(LOCAL_GUARD.allows(address)).toBe(true);
  });

  test.each([
    '8.8.8.8',
    '172.15.255.255',
    '172.32.0.1',
    '192.167.255.255',
    '11.0.0.1',
    '128.0.0.1',
    '100.64.0.1',
    '198.18.0.1',
    '203.0.113.7',
    '2001:4860:4860::8888',
    'fe00::1',
    '::ffff:8.8.8.8',
    '::ffff:808:808',
    // No address in full: a URL parser or a resolver would make one of it.
    '2130706433',
    '0177.0.0.1',
    '0x7f000001',
    '127.1',
    '127.0.0.1.',
    '１２７.0.0.1',
    '[::1]',
    '::1%lo',
    'localhost',
    '',
  ])('none may be at %j', (address) => {
    expect(LOCAL_GUARD.allows(address)).toBe(false);
  });
});

describe('even where every address is allowed', () => {
  test.each(['8.8.8.8', '203.0.113.7', '2001:4860:4860::8888', '::ffff:8.8.8.8', '100.100.100.201'])(
    'a server may be at %s',
    (address) => {
      expect(EVERYTHING.allows(address)).toBe(true);
    },
  );

  test.each([
    '169.254.169.254',
    '169.254.170.2',
    '169.254.0.1',
    '::ffff:169.254.169.254',
    '::ffff:a9fe:a9fe',
    '0:0:0:0:0:FFFF:A9FE:A9FE',
    '::a9fe:a9fe',
    '64:ff9b::a9fe:a9fe',
    '64:ff9b:1::a9fe:a9fe',
    '2002:a9fe:a9fe::1',
    '2001:0:1::1',
    '::ffff:0:169.254.169.254',
    'fe80::1',
    'febf::1',
    'fec0::1',
    'fd00:ec2::254',
    'FD00:0EC2:0:0:0:0:0:254',
    'fd20:ce::254',
    '100.100.100.200',
    '::ffff:100.100.100.200',
    '192.0.0.192',
    '168.63.129.16',
    '0.0.0.0',
    '0.1.2.3',
    '::',
    '224.0.0.1',
    'ff02::1',
    '255.255.255.255',
  ])('none is ever at %s', (address) => {
    expect(EVERYTHING.allows(address)).toBe(false);
  });
});

describe('where public addresses are allowed, and one CIDR', () => {
  const guard = createAddressGuard(['10.9.0.0/16'], { withPublic: true });

  test.each(['8.8.8.8', '1.1.1.1', '2606:4700::1111', '::ffff:8.8.8.8', '10.9.1.1', '172.32.0.1'])(
    'a call may go to %s',
    (address) => {
      expect(guard.allows(address)).toBe(true);
    },
  );

  test.each([
    '127.0.0.1',
    '::1',
    '::ffff:127.0.0.1',
    '10.8.1.1',
    '192.168.0.1',
    '172.16.0.1',
    'fd00::1',
    '169.254.169.254',
    '100.64.0.1',
    '192.0.2.1',
    '198.18.0.1',
    '203.0.113.1',
    '2001:db8::1',
    '2001:20::1',
    '64:ff9b::7f00:1',
    'fe80::1',
    '4000::1',
  ])('none may go to %s', (address) => {
    expect(guard.allows(address)).toBe(false);
  });
});

test('a CIDR opens what it covers and nothing beside it', () => {
  const guard = createAddressGuard(['203.0.113.0/24', '2001:db8::/32']);

  expect(['203.0.113.9', '2001:db8::9', '::ffff:203.0.113.9'].map(guard.allows)).toEqual([true, true, true]);
  expect(['203.0.114.9', '2001:db9::9', '127.0.0.1', '10.0.0.1'].map(guard.allows)).toEqual([
    false,
    false,
    false,
    false,
  ]);
});

describe('a host name', () => {
  test.each([
    [['10.0.0.5'], true],
    [['10.0.0.5', 'fd00::5'], true],
    [['10.0.0.5', '8.8.8.8'], false],
    [['169.254.169.254'], false],
    [[], true],
  ])('with the addresses %j is judged by every one of them: %s', async (addresses, expected) => {
    const guard = createAddressGuard(['private'], { lookup: resolverOf([addresses]) });

    expect(await guard.allowsHost('gpu.internal')).toBe(expected);
  });

  test.each([
    ['[::1]', true],
    ['::1', true],
    ['127.0.0.1', true],
    ['169.254.169.254', false],
    ['[fe80::1]', false],
  ])('that is the address %s is not looked up', async (hostname, expected) => {
    const guard = createAddressGuard(['loopback'], {
      lookup() {
        throw new Error('looked up');
      },
    });

    expect(await guard.allowsHost(hostname)).toBe(expected);
  });
});

describe('a call', () => {
  test('to a name goes to the address that was checked, and is looked up once for each connection', async () => {
    const { server, call, resolutions, close } = await setup([['127.0.0.1']]);

    await call('model.internal');
    await call('model.internal');

    expect(server.requests).toHaveLength(2);
    expect(resolutions()).toBe(server.sockets.size);
    await close();
  });

  test('to a name that has moved to another network since it was registered fails before a byte is sent', async () => {
    const { server, guard, call, close } = await setup([['127.0.0.1'], ['169.254.169.254'], ['8.8.8.8']]);
    expect(await guard.allowsHost('rebind.internal')).toBe(true);

    const failures = [await callFailure(call), await callFailure(call)];

    for (const failure of failures) {
      expect(failure).toMatchObject({ kind: 'unreachable', message: expect.stringContaining('networks') });
      expect(String(failure)).not.toMatch(/169\.254|8\.8/);
    }
    expect(server.sockets.size).toBe(0);
    await close();
  });

  test('to a name with one address outside fails, although another is inside', async () => {
    const { server, call, close } = await setup([['127.0.0.1', '203.0.113.1']]);

    expect(await callFailure(call)).toMatchObject({ kind: 'unreachable' });
    expect(server.sockets.size).toBe(0);
    await close();
  });

  test.each([
    '169.254.169.254',
    '[fe80::1]',
    '[::ffff:169.254.169.254]',
    '2852039166',
    '0xa9fea9fe',
    '8.8.8.8',
  ])('to the address %s fails at once', (host) =>
    inTime(async () => {
      const client = createModelClient({ guard: LOCAL_GUARD });
      const start = performance.now();

      const failure = await failureOf(
        client.call(toCall({ origin: `http://${host}:80` }), new AbortController().signal),
      );

      const tookMs = performance.now() - start;
      await client.close();
      expect(failure).toMatchObject({ kind: 'unreachable', message: expect.stringContaining('networks') });
      expectWithin(500, tookMs);
    }),
  );

  test('whose connection came out elsewhere than was checked sends nothing', async () => {
    const server = await startScriptedServer({});
    const guard = { ...createAddressGuard(['private']), lookup: resolverOf([['127.0.0.1']]) };
    const client = createModelClient({ guard });

    const failure = await failureOf(
      client.call(toCall({ origin: `http://gpu.internal:${server.port}` }), new AbortController().signal),
    );

    expect(failure).toMatchObject({ kind: 'unreachable', message: expect.stringContaining('networks') });
    expect(server.requests).toEqual([]);
    await Promise.all([client.close(), server.close()]);
  });

  test("follows no redirect, so that the server's key reaches no other origin", async () => {
    const other = await startScriptedServer({});
    const server = await startScriptedServer({
      '/v1/chat/completions': (res) => res.writeHead(307, { location: `${other.origin}/stolen` }).end(),
      '/v1/models': (res) => res.writeHead(302, { location: `${other.origin}/stolen` }).end(),
    });
    const client = createModelClient({ guard: LOCAL_GUARD });
    const { signal } = new AbortController();

    const failure = await failureOf(client.call(toCall(server), signal));
    const report = client.report(toCall(server).server, 1_000);

    await expect(report).rejects.toMatchObject({ kind: 'status', status: 302 });
    expect(failure).toMatchObject({ kind: 'status', status: 307 });
    expect(server.requests.map(({ headers }) => headers.authorization)).toEqual([
      'Bearer sk-server',
      'Bearer sk-server',
    ]);
    expect(other.sockets.size).toBe(0);
    await Promise.all([client.close(), server.close(), other.close()]);
  });
});

/** A server on loopback, and a client whose resolver answers with each list of addresses in turn, the last for ever. */
async function setup(answers: string[][]) {
  const server = await startScriptedServer({
    '/v1/chat/completions': (res) => sendJson(res, { choices: [{ index: 0, message: {} }] }),
  });
  const resolver = resolverOf(answers);
  const guard = createAddressGuard(['loopback', 'private'], { lookup: resolver });
  const client = createModelClient({ guard });
  return {
    server,
    guard,
    resolutions: () => resolver.count(),
    call: (host: string) =>
      client.call(toCall({ origin: `http://${host}:${server.port}` }), new AbortController().signal),
    async close() {
      await Promise.all([client.close(), server.close()]);
    },
  };
}

type Call = Awaited<ReturnType<typeof setup>>['call'];

const callFailure = (call: Call) => failureOf(call('rebind.internal'));

function resolverOf(answers: string[][]): LookupFunction & { count(): number } {
  let count = 0;
  const lookup: LookupFunction = (_hostname, _options, callback) => {
    const addresses = answers[Math.min(count, answers.length - 1)] ?? [];
    count += 1;
    const found = addresses.map(
      (address): LookupAddress => ({
        address,
        family: address.includes(':') ? 6 : 4,
      }),
    );
    setImmediate(() => callback(null, found));
  };
  return Object.assign(lookup, { count: () => count });
}
