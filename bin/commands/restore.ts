import { loadConfig } from '../../core/config.ts';
import { readBackup } from '../backup-archive.ts';
import { type Command, parseWords, UsageError } from '../command.ts';

export const restore: Command = {
  name: 'restore',
  summary: 'Puts a backup into an empty data directory',
  options: [{ usage: '<file>', description: 'that citadel backup has written' }],
  async run(args) {
    const { positionals } = parseWords('restore', args, {});
    const [file, ...others] = positionals;
    if (file === undefined || others.length > 0)
      throw new UsageError('citadel restore needs one file to read.');
    const { dataDir } = loadConfig();
    await readBackup(dataDir, file);
    console.log(`The store of ${file} is in ${dataDir}.`);
  },
};
