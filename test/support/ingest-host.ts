// Citadel on the data directory argv[2], until it is killed; says where it listens. A line on its standard input names the
// fail point at which it kills itself from then on.
import { flushCompileCache } from 'node:module';
import { createInterface } from 'node:readline';
import { startCitadel } from '../../bin/citadel-process.ts';
import { loadConfig } from '../../core/config.ts';
import { armFailPoints } from '../../core/fail-point.ts';
import { createLogger } from '../../core/logger.ts';
import { MODEL_CLASSES } from '../../core/schemas/model-class.ts';

const [, , dataDir = ''] = process.argv;
const citadel = await startCitadel({
  config: loadConfig({ env: { ...process.env, CITADEL_DATA_DIR: dataDir, PORT: '0' }, cwd: dataDir }),
  roles: { api: true, classes: MODEL_CLASSES },
  logger: createLogger({ level: 'warn' }),
  onFatal: () => process.exit(1),
});
createInterface(process.stdin).on('line', (name) => {
  armFailPoints(`${name}:1`);
  process.stdout.write(`armed ${name}\n`);
});
process.stdout.write(`port ${citadel.address?.port}\n`);
// The next one starts with less work; at its end, a kill, this one could not write it.
flushCompileCache();
