import { parseArgs } from 'node:util';

export interface Options {
  isHelp: boolean;
  seed: number;
  minutes: number;
  isQuick: boolean;
  isEmbedded: boolean;
  hasFencing: boolean;
}

export const HELP = `npm run chaos [-- options]

Random workflows on real processes (2 "citadel api", 3 "citadel worker", Redis, Postgres) that are killed, restarted, and
frozen with a result in hand, all the time. In the end, what callers were told, what the model server and the receiver of calls have seen, and
what the tables say must agree, to the last value.

  --seed <n>       the same seed makes the same workflows and faults [the day]
  --minutes <n>    how long there are faults [2.25]
  --quick          a look of 45 s at always the same: --minutes 0.75 --seed 6, with 40 runs and 10 kills at least
  --embedded       one "citadel up" with its embedded store instead
  --no-fencing     results of attempts that are over count as well: must fail
  --help           this text

Needs redis-server and Postgres, except with --embedded. The exit code is 1 when a bound is broken.`;

const QUICK = { seed: '6', minutes: '0.75' };

/** Throws an Error for the caller. */
export function parseOptions(args: string[]): Options {
  const { values } = parseArgs({
    args,
    options: {
      seed: { type: 'string' },
      minutes: { type: 'string' },
      quick: { type: 'boolean', default: false },
      embedded: { type: 'boolean', default: false },
      'no-fencing': { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.quick && values.embedded) throw new Error('--quick is not for --embedded.');
  const usual = values.quick ? QUICK : { seed: today(), minutes: '2.25' };
  return {
    isHelp: values.help,
    seed: parseNumber('--seed', values.seed ?? usual.seed, [0, 2 ** 31]),
    minutes: parseNumber('--minutes', values.minutes ?? usual.minutes, [0.1, 24 * 60]),
    isQuick: values.quick,
    isEmbedded: values.embedded,
    hasFencing: !values['no-fencing'],
  };
}

function today(): string {
  return new Date().toISOString().slice(0, 10).replaceAll('-', '');
}

function parseNumber(name: string, text: string, [min, max]: [number, number]): number {
  const value = Number(text);
  if (text.trim() !== '' && value >= min && value <= max) return value;
  throw new Error(`${name} takes ${min} to ${max}.`);
}
