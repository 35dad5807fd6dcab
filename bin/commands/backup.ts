import { loadConfig } from '../../core/config.ts';
import { writeBackup } from '../backup-archive.ts';
import { type Command, parseWords, UsageError } from '../command.ts';

export const backup: Command = {
  name: 'backup',
  summary: 'Writes the embedded store and its uploads into a file (the server stopped)',
  options: [{ usage: '<file>', description: 'such as citadel-2027-01-31.tar.gz' }],
  async run(args) {
    const { positionals } = parseWords('backup', args, {});
    const [file, ...others] = positionals;
    if (file === undefined || others.length > 0)
      throw new UsageError('citadel backup needs one file to write.');
    const { dataDir } = loadConfig();
    await writeBackup(dataDir, file);
    console.log(`The store in ${dataDir} is in ${file}.`);
  },
};
