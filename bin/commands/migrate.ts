import { loadConfig } from '../../core/config.ts';
import { createLifecycle } from '../../core/lifecycle.ts';
import { createLogger } from '../../core/logger.ts';
import { type Command, parseOptions } from '../command.ts';
import { openStore } from '../stores.ts';

export const migrate: Command = {
  name: 'migrate',
  summary: 'Brings the schema of the store up to date, and ends (every process does so at start)',
  options: [],
  async run(args) {
    parseOptions('migrate', args, {});
    const config = loadConfig();
    const logger = createLogger({ level: config.logLevel });
    const life = createLifecycle();
    try {
      const store = await openStore({
        config,
        life,
        logger,
        onFatal: (error) => logger.fatal('the store died', { error }),
      });
      console.log(`The schema in ${store.kind === 'pglite' ? config.dataDir : 'Postgres'} is up to date.`);
    } finally {
      await life.close();
    }
  },
};
