import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { say } from './say.ts';

const RESULTS = join(import.meta.dirname, 'results');

/** Keeps the results of a run that began then, and says where. */
export function keepResults(prefix: string, startedAt: Date, results: object): void {
  mkdirSync(RESULTS, { recursive: true });
  const file = join(RESULTS, `${prefix}${startedAt.toISOString().replaceAll(':', '-')}.json`);
  writeFileSync(file, `${JSON.stringify(results, null, 2)}\n`);
  say(`took ${Math.round((Date.now() - startedAt.getTime()) / 1_000)} s; results in ${file}`);
}
