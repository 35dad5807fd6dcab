import { parseArgs } from 'node:util';
import { isRivalId, RIVAL_IDS, type RivalId } from './subjects.ts';

export interface Options {
  isHelp: boolean;
  isQuick: boolean;
  only: readonly RivalId[];
  parts: readonly PartName[];
}

export const PART_NAMES = ['gateways', 'overhead', 'idle'] as const;
export type PartName = (typeof PART_NAMES)[number];

export const HELP = `npm run bench [-- options]
npm run bench -- workflows [options]     durable steps per second and the like; has a --help of its own
npm run bench -- rag [options]           documents taken in and searched; has a --help of its own

Measures Citadel against going straight to a (simulated) model server, and against Portkey's gateway.
Everything runs on 127.0.0.1, in turn, with a Redis of the run's own (redis-server must be installed for
the two targets that use it). What counts are the ratios within one run.

  --quick           one short round, and of the parts only the gateways unless told, under 90 seconds (default: three
                    rounds and all parts, under 12 minutes)
  --part <name>[,…] gateways: each one's rates, times and memory; overhead: what 20 servers and a key's limits cost;
                    idle: the processor time while nobody calls
  --only <id>[,…]   which gateways, of: ${RIVAL_IDS.join(', ')}
  --help            this text

The results are printed, and written as JSON to bench/results/. The exit code tells only whether every
gateway ran and answered rightly, never how fast.`;

/** Throws an Error for the caller. */
export function parseOptions(args: string[]): Options {
  const { values } = parseArgs({
    args,
    options: {
      quick: { type: 'boolean' },
      only: { type: 'string' },
      part: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  const usual = values.quick ? (['gateways'] as const) : PART_NAMES;
  return {
    isHelp: values.help ?? false,
    isQuick: values.quick ?? false,
    only: values.only === undefined ? RIVAL_IDS : values.only.split(',').map(parseRival),
    parts: values.part === undefined ? usual : values.part.split(',').map(parsePart),
  };
}

function parsePart(text: string): PartName {
  const name = PART_NAMES.find((known) => known === text.trim());
  if (name) return name;
  throw new Error(`There is no part "${text.trim()}". --part takes ${PART_NAMES.join(', ')}.`);
}

function parseRival(text: string): RivalId {
  const id = text.trim();
  if (isRivalId(id)) return id;
  throw new Error(`There is no "${id}". --only takes ${RIVAL_IDS.join(', ')}.`);
}
