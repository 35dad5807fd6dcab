import { arch, cpus, platform, totalmem } from 'node:os';

export interface MachineFacts {
  cores: number;
  processor: string;
  memoryGb: number;
  system: string;
  node: string;
}

export function machineFacts(): MachineFacts {
  const processors = cpus();
  return {
    cores: processors.length,
    processor: processors[0]?.model.trim() ?? 'unknown',
    memoryGb: Math.round(totalmem() / 2 ** 30),
    system: `${platform()} ${arch()}`,
    node: process.version,
  };
}
