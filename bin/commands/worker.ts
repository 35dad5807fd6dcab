import { loadConfig } from '../../core/config.ts';
import { MODEL_CLASSES, ModelClass } from '../../core/schemas/model-class.ts';
import { type Command, parseOptions, UsageError } from '../command.ts';
import { requireRedis } from '../require-redis.ts';
import { runProcess } from '../run-process.ts';

export const worker: Command = {
  name: 'worker',
  summary: 'Runs the jobs of one or more model classes (needs REDIS_URL)',
  options: [
    {
      usage: '--class <class>[,<class>]',
      description: `which: ${MODEL_CLASSES.join(', ')}; all unless told`,
    },
  ],
  async run(args) {
    const options = parseOptions('worker', args, { class: { type: 'string', multiple: true } });
    const classes = parseClasses(options.class ?? []);
    const config = requireRedis('worker', loadConfig());
    await runProcess(
      { api: false, classes },
      () => console.log(`Citadel's worker is ready for ${classes.join(', ')}`),
      config,
    );
  },
};

function parseClasses(values: readonly string[]): ModelClass[] {
  const names = values.flatMap((value) => value.split(',')).map((name) => name.trim());
  if (names.length === 0) return [...MODEL_CLASSES];
  return [...new Set(names)].map((name) => {
    const { data } = ModelClass.safeParse(name);
    if (!data)
      throw new UsageError(`There is no class "${name}". --class takes ${MODEL_CLASSES.join(', ')}.`);
    return data;
  });
}
