import { readFileSync } from 'node:fs';

/** Linux's: 100 on every platform that Node is built for. */
const TICK_MS = 10;

/** Resident memory of a process in MB; null where /proc does not tell. */
export function residentMb(pid: number): number | null {
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(readProc(pid, 'status'))?.[1];
  return kilobytes === undefined ? null : Number(kilobytes) / 1_024;
}

/** Processor time that processes have used so far; null where /proc does not tell. */
export function sumProcessorMs(pids: readonly number[]): number | null {
  return pids.reduce<number | null>((sum, pid) => {
    const usedMs = processorMs(pid);
    return sum === null || usedMs === null ? null : sum + usedMs;
  }, 0);
}

function processorMs(pid: number): number | null {
  const stat = readProc(pid, 'stat');
  // The name in parentheses may hold spaces; user and system time are fields 14 and 15.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = Number(fields[11]) + Number(fields[12]);
  return Number.isNaN(ticks) ? null : ticks * TICK_MS;
}

function readProc(pid: number, file: 'status' | 'stat'): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return '';
  }
}
