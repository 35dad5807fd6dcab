import { cpus } from 'node:os';
import { sumProcessorMs } from './process-facts.ts';

/**
 * Watches how much of the machine's processors others than `pids` use. The answer is a share from 0 to 1 of all cores
 * since the start; null where the system does not tell.
 */
export function watchForeignLoad(pids: readonly number[]): () => number | null {
  const startedMs = performance.now();
  const machineBeforeMs = machineMs();
  const oursBeforeMs = sumProcessorMs(pids);
  return () => {
    const oursMs = sumProcessorMs(pids);
    if (oursMs === null || oursBeforeMs === null) return null;
    const foreignMs = machineMs() - machineBeforeMs - (oursMs - oursBeforeMs);
    const allMs = (performance.now() - startedMs) * cpus().length;
    return Math.min(1, Math.max(0, foreignMs / allMs));
  };
}

function machineMs(): number {
  return cpus().reduce((sum, { times }) => sum + times.user + times.nice + times.sys + times.irq, 0);
}
