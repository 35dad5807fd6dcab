import { describe, expect, test } from '@jest/globals';
import { isLocalRequest } from '../../access/loopback-guard.ts';

describe('a request without keys', () => {
  test.each([
    ['localhost:8080', undefined],
    ['LOCALHOST', undefined],
    ['127.0.0.1:8080', undefined],
    ['127.9.9.9', undefined],
    ['[::1]:8080', undefined],
    ['citadel.localhost:8080', undefined],
    ['localhost:8080', 'http://localhost:3000'],
    ['localhost:8080', 'https://127.0.0.1'],
    ['localhost:8080', 'http://[::1]:5173'],
  ])('is let in when it came to and from this machine: Host %s, Origin %s', (host, origin) => {
    expect(isLocalRequest(host, origin)).toBe(true);
  });

  test.each([
    ['no Host', undefined],
    ['another host', 'evil.example'],
    ['a name that begins like this machine', 'localhost.evil.example'],
    ['an address that begins like this machine', '127.0.0.1.evil.example'],
    ['a name that ends like this machine', 'evillocalhost'],
    ['another address', '192.168.1.5:8080'],
    ['every address', '0.0.0.0:8080'],
    ['no name at all', ''],
    ['no host name', ':8080'],
    ['a broken address', '[::1'],
  ])('is refused for %s (DNS rebinding)', (_, host) => {
    expect(isLocalRequest(host, undefined)).toBe(false);
  });

  test.each(['https://evil.example', 'http://localhost.evil.example', 'null', '', 'file://', 'localhost'])(
    'is refused when a page from elsewhere makes it: Origin %j',
    (origin) => {
      expect(isLocalRequest('localhost:8080', origin)).toBe(false);
    },
  );
});
