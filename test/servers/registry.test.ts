import { describe, expect, test } from '@jest/globals';
import type { ServerReport } from '../../servers/model-server.ts';
import { createRegistry, findOnServer } from '../../servers/registry.ts';
import { registrationOf } from './registration.ts';

const RULES = { models: { lightweight: [], heavyweight: [], embedding: [] } };

const reportOf = (...ids: string[]): ServerReport => ({ models: ids.map((id) => ({ id, loaded: null })) });

function setup() {
  const registry = createRegistry(RULES);
  let changes = 0;
  const unsubscribe = registry.onChange(() => changes++);
  const ids = () => registry.models().map(({ id }) => id);
  const holders = (model: string) => registry.findModel(model)?.servers.map(({ address }) => address.id);
  return { registry, ids, holders, unsubscribe, changes: () => changes };
}

describe('the registry', () => {
  test.each([
    ['10.0.0.5', 'http://10.0.0.5:9000'],
    ['gpu.local', 'http://gpu.local:9000'],
    ['::1', 'http://[::1]:9000'],
    ['[::1]', 'http://[::1]:9000'],
  ])('addresses a server at %s', (hostname, origin) => {
    const { registry } = setup();

    const { address } = registry.put(
      registrationOf('a', { hostname, base_path: '/api/v1/', protocol: 'ollama' }),
      'secret',
    );

    expect(address).toEqual({ id: 'a', origin, basePath: '/api/v1', protocol: 'ollama', apiKey: 'secret' });
  });

  test('takes the classes from the capabilities that name one', () => {
    const { registry } = setup();

    const { classes } = registry.put(
      registrationOf('a', { capabilities: ['vision', 'embedding', 'lightweight'] }),
    );

    expect(classes).toEqual(['lightweight', 'embedding']);
  });

  test('knows the models that a registration names before the server was asked', () => {
    const { registry, ids } = setup();

    registry.put(registrationOf('a', { models: ['named'] }));

    expect(ids()).toEqual(['named']);
    expect(registry.servers()).toMatchObject([{ state: 'unknown', lastSeenMs: null }]);
  });

  test('takes in what a server reports, beside the models that its registration names', () => {
    const { registry, ids } = setup();
    registry.put(registrationOf('a', { models: ['named', 'both'] }));

    registry.report(
      'a',
      { models: [{ id: 'both', parameters: 5, loaded: true }, ...reportOf('new').models] },
      42,
    );

    expect(ids()).toEqual(['both', 'named', 'new']);
    expect(registry.findModel('both')?.info).toEqual({ id: 'both', parameters: 5, loaded: true });
    expect(registry.servers()).toMatchObject([{ state: 'healthy', lastSeenMs: 42 }]);
  });

  test('forgets a model that its server reports no more', () => {
    const { registry, ids } = setup();
    registry.put(registrationOf('a'));
    registry.report('a', reportOf('old'), 1);

    registry.report('a', reportOf('new'), 2);

    expect(ids()).toEqual(['new']);
    expect(registry.findModel('old')).toBeNull();
  });

  test('lists no model whose servers are all unhealthy, but still finds it', () => {
    const { registry, ids, holders } = setup();
    registry.put(registrationOf('a', { models: ['shared', 'lone'] }));
    registry.put(registrationOf('b', { models: ['shared'] }));

    registry.report('a', null, 1);

    expect(ids()).toEqual(['shared']);
    expect(holders('lone')).toEqual(['a']);
    expect(holders('shared')).toEqual(['a', 'b']);
  });

  test('keeps what it knew of a server that does not answer, and since when', () => {
    const { registry } = setup();
    registry.put(registrationOf('a'));
    registry.report('a', reportOf('m'), 7);

    registry.report('a', null, 9);

    expect(registry.servers()).toMatchObject([{ state: 'degraded', lastSeenMs: 7 }]);
    expect(registry.findModel('m')).not.toBeNull();
  });

  test('finds a model by its name without :latest, on the server too', () => {
    const { registry } = setup();
    const server = registry.put(registrationOf('a', { models: ['phi3:latest', 'phi3:mini'] }));

    expect(registry.findModel('phi3')?.id).toBe('phi3:latest');
    expect(findOnServer(server, 'phi3')?.id).toBe('phi3:latest');
    expect(registry.findModel('phi')).toBeNull();
  });

  test('classifies a model by the class that its only kind of server declares', () => {
    const { registry } = setup();
    registry.put(registrationOf('a', { models: ['m'], capabilities: ['heavyweight'] }));
    registry.put(registrationOf('b', { models: ['m'] }));

    expect(registry.findModel('m')?.modelClass).toBe('heavyweight');
  });

  test('replaces a server that is put again, and its models', () => {
    const { registry, ids } = setup();
    registry.put(registrationOf('a', { models: ['old'] }));

    registry.put(registrationOf('a', { models: ['new'], port: 9001 }));

    expect(ids()).toEqual(['new']);
    expect(registry.servers().map(({ address }) => address.origin)).toEqual(['http://127.0.0.1:9001']);
  });

  test('forgets a removed server; a report of it that comes late changes nothing', () => {
    const { registry, ids, changes } = setup();
    registry.put(registrationOf('a', { models: ['m'] }));

    expect([registry.remove('a'), registry.remove('a')]).toEqual([true, false]);
    registry.report('a', reportOf('m'), 1);

    expect(ids()).toEqual([]);
    expect(registry.servers()).toEqual([]);
    expect(changes()).toBe(2);
  });

  test('tells its listeners of each change, until they end that', () => {
    const { registry, changes, unsubscribe } = setup();
    registry.put(registrationOf('a'));
    registry.report('a', reportOf('m'), 1);
    expect(changes()).toBe(2);

    unsubscribe();
    registry.remove('a');

    expect(changes()).toBe(2);
  });
});
