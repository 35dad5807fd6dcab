import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { loadConfig } from '../../core/config.ts';
import { createLifecycle } from '../../core/lifecycle.ts';
import { maskSecrets } from '../../core/mask-secrets.ts';
import { createDiskBlobStore } from '../../storage/disk-blob-store.ts';
import { createPgPool } from '../../storage/pg-pool.ts';
import { createPglitePool } from '../../storage/pglite-pool.ts';
import { createPostgresBlobStore } from '../../storage/postgres-blob-store.ts';
import { moveStore } from '../../storage/store-move.ts';
import { type Command, parseOptions, UsageError } from '../command.ts';

export const move: Command = {
  name: 'move',
  summary: 'Copies the embedded store into an empty Postgres (the server stopped)',
  options: [{ usage: '--to <url>', description: 'postgres://user:password@host/database' }],
  async run(args) {
    const { to: url } = parseOptions('move', args, { to: { type: 'string' } });
    if (url === undefined || !/^postgres(ql)?:\/\//.test(url) || !URL.canParse(url)) {
      throw new UsageError('citadel move needs --to postgres://user:password@host/database.');
    }
    const { dataDir } = loadConfig();
    const life = createLifecycle();
    try {
      const place = join(dataDir, 'pglite');
      if (!existsSync(join(place, 'postgres')))
        throw new UsageError(`There is no embedded store in ${dataDir}.`);
      const from = await createPglitePool({ dataDir: place });
      life.defer('embedded store', () => from.close());
      const to = createPgPool(url);
      life.defer('Postgres', () => to.close());
      const blobs = {
        from: await createDiskBlobStore(join(dataDir, 'blobs')),
        to: createPostgresBlobStore(to),
      };
      const counts = await moveStore({ from, to, blobs });
      console.table(Object.entries(counts).map(([table, rows]) => ({ table, rows })));
      console.log(`All of it is in ${maskSecrets(url)}. Set DATABASE_URL to it and start Citadel.`);
      console.log(`${dataDir} stays as it is: delete it when you have seen that all is there.`);
    } finally {
      await life.close();
    }
  },
};
