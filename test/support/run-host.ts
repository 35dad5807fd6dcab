// Citadel on the data directory argv[2]. With a definition in argv[3] it starts a run of it and says which; it says so
// of every run that ends, and lasts until it is killed.
import { startCitadel } from '../../bin/citadel-process.ts';
import { loadConfig } from '../../core/config.ts';
import type { RunId } from '../../core/ids.ts';
import { createLogger } from '../../core/logger.ts';
import { MODEL_CLASSES } from '../../core/schemas/model-class.ts';

const [, , dataDir = '', definition, known] = process.argv;
const config = loadConfig({ env: { ...process.env, CITADEL_DATA_DIR: dataDir, PORT: '0' }, cwd: dataDir });
const citadel = await startCitadel({
  config,
  roles: { api: true, classes: MODEL_CLASSES },
  logger: createLogger({ level: 'silent' }),
  onFatal: () => process.exit(1),
});
const runs = citadel.work?.runs;
if (!runs) throw new Error('no work');

let id = known as RunId | undefined;
if (definition) {
  const started = await runs.start({
    workflow: { definition: JSON.parse(definition) },
    input: {},
    keyName: null,
  });
  id = started.run.id;
}
process.stdout.write(`run ${id}\n`);
if (id) {
  const result = await runs.result(id, 60_000);
  process.stdout.write(`result ${JSON.stringify(result)}\n`);
}
