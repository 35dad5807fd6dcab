import { parseArgs } from 'node:util';
import { isRivalId, RIVAL_IDS, type RivalId } from './subjects.ts';

export interface Options {
  isHelp: boolean;
  isQuick: boolean;
  only: readonly RivalId[];
}

export const HELP = `npm run bench [-- options]

Measures Citadel against going straight to a (simulated) model server, and against Portkey's gateway.
Everything runs on 127.0.0.1, in turn, with a Redis of the run's own (redis-server must be installed for
the two targets that use it). What counts are the ratios within one run.

  --quick           one short round, under 90 seconds (default: three rounds, under 8 minutes)
  --only <id>[,…]   which gateways, of: ${RIVAL_IDS.join(', ')}
  --help            this text

The results are printed, and written as JSON to bench/results/. The exit code tells only whether every
gateway ran and answered rightly, never how fast.`;

/** Throws an Error for the caller. */
export function parseOptions(args: string[]): Options {
  const { values } = parseArgs({
    args,
    options: { quick: { type: 'boolean' }, only: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
  });
  return {
    isHelp: values.help ?? false,
    isQuick: values.quick ?? false,
    only: values.only === undefined ? RIVAL_IDS : values.only.split(',').map(parseRival),
  };
}

function parseRival(text: string): RivalId {
  const id = text.trim();
  if (isRivalId(id)) return id;
  throw new Error(`There is no "${id}". --only takes ${RIVAL_IDS.join(', ')}.`);
}
