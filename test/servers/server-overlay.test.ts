import { describe, expect, test } from '@jest/globals';
import { createRegistry } from '../../servers/registry.ts';
import { createServerOverlay } from '../../servers/server-overlay.ts';
import type { ServerRow } from '../../servers/server-store.ts';
import { registrationOf } from './registration.ts';

function setup() {
  const registry = createRegistry({ models: { lightweight: [], heavyweight: [], embedding: [] } });
  const overlay = createServerOverlay(registry, (variable) => `value of ${variable}`);
  const known = () =>
    Object.fromEntries(
      registry
        .servers()
        .map(({ address, state, registration }) => [address.id, `${registration.port} ${state}`]),
    );
  return { registry, overlay, known };
}

const row = (id: string, fields: Partial<ServerRow> = {}): ServerRow => ({
  id,
  registration: registrationOf(id, { port: 1 }),
  draining: false,
  removed: false,
  ...fields,
});
const configured = (id: string) => registrationOf(id, { port: 9 });

describe('what operators say', () => {
  test('of a new server puts it there, with its key', () => {
    const { registry, overlay, known } = setup();

    const isNew = overlay.set(
      'a',
      row('a', { registration: registrationOf('a', { port: 1, api_key_env: 'A_KEY' }) }),
    );

    expect(isNew).toBe(true);
    expect(known()).toEqual({ a: '1 unknown' });
    expect(registry.servers()[0]?.address.apiKey).toBe('value of A_KEY');
  });

  test('stands over what is configured, whichever comes first, and gives way when it is unsaid', () => {
    const first = setup();
    first.registry.put(configured('a'), 'sk-a');
    first.overlay.set('a', row('a'));
    const second = setup();
    second.overlay.set('a', row('a'));
    second.registry.put(configured('a'), 'sk-a');

    for (const { registry, overlay, known } of [first, second]) {
      expect(known()).toEqual({ a: '1 unknown' });
      expect(registry.servers()[0]?.address.apiKey).toBeUndefined();
      expect(overlay.underlying('a')).toEqual(configured('a'));
      overlay.set('a', null);
      expect(known()).toEqual({ a: '9 unknown' });
      expect(registry.servers()[0]?.address.apiKey).toBe('sk-a');
    }
  });

  test('keeps a removed server away however often it is found again', () => {
    const { registry, overlay, known } = setup();
    registry.put(configured('a'));
    overlay.set('a', row('a', { registration: null, removed: true }));
    expect(known()).toEqual({});

    registry.put(configured('a'));
    registry.put(configured('b'));
    expect(known()).toEqual({ b: '9 unknown' });

    overlay.set('a', null);
    expect(known()).toEqual({ a: '9 unknown', b: '9 unknown' });
  });

  test('drains a configured server until it is unsaid, also when it is put anew', () => {
    const { registry, overlay, known } = setup();
    registry.put(configured('a'));
    overlay.set('a', row('a', { registration: null, draining: true }));
    expect(known()).toEqual({ a: '9 draining' });

    registry.put(registrationOf('a', { port: 10 }));
    expect(known()).toEqual({ a: '10 draining' });

    overlay.set('a', null);
    expect(known()).toEqual({ a: '10 unknown' });
  });

  test('of a registered server that drains and returns leaves all else as it was', () => {
    const { registry, overlay, known } = setup();
    overlay.set('a', row('a'));
    registry.report('a', { models: [{ id: 'm', loaded: null }] }, 1);

    const whileDraining = overlay.set('a', row('a', { draining: true }));
    expect(known()).toEqual({ a: '1 draining' });
    const afterwards = overlay.set('a', row('a'));

    expect([whileDraining, afterwards]).toEqual([false, false]);
    expect(registry.findModel('m')?.servers).toHaveLength(1);
  });

  test('said again in the same words changes nothing, and in others is a new server', () => {
    const { registry, overlay } = setup();
    overlay.set('a', row('a'));
    registry.report('a', { models: [{ id: 'm', loaded: null }] }, 1);

    expect(overlay.set('a', row('a'))).toBe(false);
    expect(registry.servers()[0]?.lastSeenMs).toBe(1);
    expect(overlay.set('a', row('a', { registration: registrationOf('a', { port: 2 }) }))).toBe(true);
  });

  test('as a whole takes the place of all that was said before', () => {
    const { registry, overlay, known } = setup();
    registry.put(configured('c'));
    overlay.replace([row('a'), row('b'), row('c')]);

    const fresh = overlay.replace([row('b'), row('d', { draining: true })]);

    expect(fresh).toEqual(['d']);
    expect(known()).toEqual({ b: '1 unknown', c: '9 unknown', d: '1 draining' });
  });
});
