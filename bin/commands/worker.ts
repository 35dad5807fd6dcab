import { type Config, loadConfig } from '../../core/config.ts';
import { MODEL_CLASSES } from '../../core/schemas/model-class.ts';
import { addressUrl } from '../address-url.ts';
import { type Command, parseOptions, UsageError } from '../command.ts';
import { requireRedis } from '../require-redis.ts';
import { runProcess } from '../run-process.ts';

const CLASSES = [...MODEL_CLASSES, 'ingest', 'workflow'] as const;
// Both need the store, and who has it does the work of both.
const STORE_CLASSES: readonly string[] = ['ingest', 'workflow'];

export const worker: Command = {
  name: 'worker',
  summary:
    'Runs the jobs of model classes, takes documents in, and runs the steps of workflows (needs REDIS_URL); serves its health when PORT is set',
  options: [
    {
      usage: '--class <class>[,<class>]',
      description: `which: ${CLASSES.join(', ')} (the last two need DATABASE_URL, and do each other's work); those of models unless told`,
    },
  ],
  async run(args) {
    const options = parseOptions('worker', args, { class: { type: 'string', multiple: true } });
    const names = parseClasses(options.class ?? []);
    const config = requireRedis('worker', loadConfig());
    const workflows = names.some((name) => STORE_CLASSES.includes(name));
    if (workflows) requireDatabase(config);
    const classes = MODEL_CLASSES.filter((name) => names.includes(name));
    await runProcess(
      { api: false, classes, workflows },
      ({ address }) => {
        const health = address ? `; its health is at ${addressUrl(address)}/health` : '';
        console.log(`Citadel's worker is ready for ${names.join(', ')}${health}`);
      },
      config,
    );
  },
};

type WorkerClass = (typeof CLASSES)[number];

function parseClasses(values: readonly string[]): WorkerClass[] {
  const names = values.flatMap((value) => value.split(',')).map((name) => name.trim());
  if (names.length === 0) return [...MODEL_CLASSES];
  return [...new Set(names)].map((name) => {
    const known = CLASSES.find((one) => one === name);
    if (!known) throw new UsageError(`There is no class "${name}". --class takes ${CLASSES.join(', ')}.`);
    return known;
  });
}

function requireDatabase({ databaseUrl }: Config): void {
  if (databaseUrl !== undefined) return;
  throw new UsageError(
    'citadel worker --class ingest or workflow keeps its work in the same Postgres as the API: set DATABASE_URL.',
  );
}
