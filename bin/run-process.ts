import { flushCompileCache } from 'node:module';
import { setFlagsFromString } from 'node:v8';
import { loadConfig } from '../core/config.ts';
import { createLogger } from '../core/logger.ts';
import { type CitadelProcess, type Roles, startCitadel } from './citadel-process.ts';

/** From the signal to the end, whatever hangs. */
const EXIT_LIMIT_MS = 24_500;
const EXIT_INTERRUPTED = 130;

type Config = ReturnType<typeof loadConfig>;

/**
 * Runs Citadel in this process until SIGTERM or SIGINT: then it takes no new work, lets running jobs end, and exits. A
 * second signal ends it at once.
 */
export async function runProcess(
  roles: Roles,
  onReady: (citadel: CitadelProcess, config: Config) => void,
  config: Config = loadConfig(),
): Promise<void> {
  const logger = createLogger({ level: config.logLevel });
  for (const notice of config.notices) logger.warn(notice);
  const onFatal = (error: Error) => {
    logger.fatal('the store died; Citadel must end', { error });
    process.exitCode = 1;
    stop?.();
  };
  let stop: (() => void) | undefined;
  const starting = new AbortController();
  const stopAsked = new Promise<void>((resolve) => {
    stop = resolve;
  });
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      process.once(signal, () => process.exit(EXIT_INTERRUPTED));
      starting.abort(new Error('Citadel was asked to end before it had started.'));
      stop?.();
    });
  }

  const options = { config, roles, logger, onFatal, signal: starting.signal };
  const citadel = await startCitadel(options).catch((error) => {
    if (!starting.signal.aborted) throw error;
    logger.info('stopped before the start was done');
    process.exit(0);
  });
  // On a terminal the signal says that the terminal is closed: there it ends the process, as it does by default.
  if (!process.stdout.isTTY)
    process.on('SIGHUP', () => {
      try {
        citadel.reloadConfig();
      } catch (error) {
        logger.error('the configuration was not read again', { error: error as Error });
      }
    });
  onReady(citadel, config);
  // Node keeps what it has compiled only when it exits in good order. A process that finds all of it there starts in half
  // the time and needs 20 MB less.
  flushCompileCache();
  // Keeps Node from letting 30 MB of live objects fill 250. After that line: what is compiled under other options counts
  // as another's, also Node's own modules, when they are loaded.
  setFlagsFromString('--heap-growing-percent=50');
  await stopAsked;

  // BullMQ's close never resolves while Redis is out of reach.
  setTimeout(() => process.exit(process.exitCode ?? 1), EXIT_LIMIT_MS).unref();
  logger.info('stopping: running jobs may end');
  await citadel.close().catch((error: Error) => logger.warn('not everything stopped in order', { error }));
  logger.info('stopped');
  process.exit(process.exitCode ?? 0);
}
