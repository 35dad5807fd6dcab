import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { AppError } from '../../core/errors.ts';
import type { ServerRow } from '../../servers/server-store.ts';
import { migrate } from '../../storage/migrate.ts';
import { createPostgresServerStore } from '../../storage/postgres-server-store.ts';
import { registrationOf } from '../servers/registration.ts';
import type { SqlPoolFixture } from './sql-pool.suite.ts';

const START_LIMIT_MS = 60_000;

/** What operators say of servers, on any pool. */
export function serverStoreSuite(start: () => Promise<SqlPoolFixture>): void {
  let fixture: SqlPoolFixture;

  beforeAll(async () => {
    fixture = await start();
    await migrate(fixture.pool);
  }, START_LIMIT_MS);

  afterAll(async () => {
    await fixture?.close();
  }, START_LIMIT_MS);

  beforeEach(() => fixture.pool.exec('DELETE FROM citadel.server'));

  const open = () => createPostgresServerStore(fixture.pool);

  test('a row is kept with all it says, whatever characters it holds', async () => {
    const store = open();
    const row = rowOf('a', {
      registration: registrationOf('a', {
        role: 'NUL \0, half a pair \ud800, "quoted"',
        capabilities: ['heavyweight', 'vision'],
        weight: 0.25,
        max_concurrency: 3,
        models: ['org/model:7b', 'ünï'],
        api_key_env: 'A_KEY',
      }),
      draining: true,
    });

    await store.change('a', () => row);

    expect((await open().read()).rows).toEqual([row]);
  });

  test('a change gives the revision before it and its own, which is the highest', async () => {
    const store = open();
    const before = await store.revision();

    const first = await store.change('a', () => rowOf('a'));
    const second = await store.change('b', () => rowOf('b', { registration: null, removed: true }));

    expect(first).toEqual({ previous: before, revision: expect.any(Number), id: 'a', row: rowOf('a') });
    expect(first.revision).toBeGreaterThan(before);
    expect(second.previous).toBe(first.revision);
    expect(await store.read()).toEqual({
      revision: second.revision,
      rows: [rowOf('a'), rowOf('b', { registration: null, removed: true })],
    });
    expect(await store.revision()).toBe(second.revision);
  });

  test('a change is decided on the row that is there, and null deletes it', async () => {
    const store = open();
    const seen: (ServerRow | null)[] = [];
    const decide = (next: ServerRow | null) => (row: ServerRow | null) => {
      seen.push(row);
      return next;
    };

    await store.change('a', decide(rowOf('a')));
    await store.change('a', decide(null));
    const last = await store.change('a', decide(null));

    expect(seen).toEqual([null, rowOf('a'), null]);
    expect(last.row).toBeNull();
    expect((await store.read()).rows).toEqual([]);
  });

  test('what the decision throws is thrown, and nothing is changed', async () => {
    const store = open();
    await store.change('a', () => rowOf('a'));
    const before = await store.read();
    const refusal = new AppError('not_found', 'no');

    const changing = store.change('a', () => {
      throw refusal;
    });

    await expect(changing).rejects.toBe(refusal);
    expect(await store.read()).toEqual(before);
  });

  test('of thirty changes at once of one row none is lost, and each has a revision of its own', async () => {
    const stores = [open(), open()];
    await stores[0]?.change('a', () => rowOf('a', { registration: registrationOf('a', { port: 1 }) }));

    const changes = await Promise.all(
      Array.from({ length: 30 }, (_, index) =>
        stores[index % 2]?.change('a', (row) => {
          const port = (row?.registration?.port ?? 0) + 1;
          return rowOf('a', { registration: registrationOf('a', { port }) });
        }),
      ),
    );

    const revisions = changes.map((change) => change?.revision ?? 0).sort((a, b) => a - b);
    expect(new Set(revisions).size).toBe(30);
    const { rows, revision } = await open().read();
    expect(rows[0]?.registration?.port).toBe(31);
    expect(revision).toBe(revisions.at(-1));
  });

  test('a row that this version cannot read is left out and hides no other', async () => {
    const store = open();
    await store.change('good', () => rowOf('good'));
    await fixture.pool.query(
      `INSERT INTO citadel.server VALUES ('odd', '{"id":"odd","dialect":"of the future"}', false, false)`,
    );

    expect((await store.read()).rows).toEqual([rowOf('good')]);
  });

  test('after the database was emptied, the next revision is one that nobody has seen', async () => {
    const store = open();
    const { revision: seen } = await store.change('a', () => rowOf('a'));
    await fixture.pool.query('UPDATE citadel.server_set SET revision = 0');

    const { previous, revision } = await store.change('a', () => rowOf('a'));

    expect(previous).toBe(0);
    expect(revision).toBeGreaterThanOrEqual(seen);
  });
}

function rowOf(id: string, changes: Partial<ServerRow> = {}): ServerRow {
  return { id, registration: registrationOf(id), draining: false, removed: false, ...changes };
}
