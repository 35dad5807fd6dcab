import { residentMb } from './process-facts.ts';
import type { RunningSubject } from './subjects.ts';

export interface MemoryUse {
  process: string;
  restMb: number;
  peakMb: number;
}

export interface MemoryWatch {
  /** Keeps the highest value of the subject's processes while `work` runs. */
  during<T>(work: () => Promise<T>): Promise<T>;
  /** One entry a process; none where the system does not tell. */
  use(): MemoryUse[];
}

const SAMPLE_MS = 100;

/** Takes the subject's memory as it is now, before any load, as its memory at rest. */
export function createMemoryWatch(subject: RunningSubject): MemoryWatch {
  const uses = subject.processes.flatMap(({ name, pid }) => {
    const restMb = residentMb(pid);
    return restMb === null ? [] : [{ pid, process: name, restMb, peakMb: 0 }];
  });
  function sample(): void {
    for (const use of uses) use.peakMb = Math.max(use.peakMb, residentMb(use.pid) ?? 0);
  }
  return {
    async during(work) {
      const timer = setInterval(sample, SAMPLE_MS);
      try {
        return await work();
      } finally {
        clearInterval(timer);
        sample();
      }
    },
    use: () => uses.map(({ process, restMb, peakMb }) => ({ process, restMb, peakMb })),
  };
}
