import { loadConfig } from '../../core/config.ts';
import { addressUrl } from '../address-url.ts';
import { type Command, parseOptions } from '../command.ts';
import { requireRedis } from '../require-redis.ts';
import { runProcess } from '../run-process.ts';

export const api: Command = {
  name: 'api',
  summary: 'The API alone; its jobs are run by citadel worker processes (needs REDIS_URL)',
  options: [],
  async run(args) {
    parseOptions('api', args, {});
    const config = requireRedis('api', loadConfig());
    await runProcess(
      { api: true, classes: [] },
      ({ address }) => console.log(`Citadel's API is ready at ${addressUrl(address ?? config)}`),
      config,
    );
  },
};
