import type { OwnedProcesses } from './owned-processes.ts';

export const EXIT_INTERRUPTED = 130;

/** Aborts at the first Ctrl-C or SIGTERM; the second ends everything at once. */
export function interruptionOf(processes: OwnedProcesses, say: (line: string) => void): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(EXIT_INTERRUPTED);
      say('stopping');
      controller.abort(new Error('It was interrupted.'));
      void processes.killAll();
    });
  }
  process.on('exit', () => void processes.killAll());
  return controller.signal;
}
