import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from '@jest/globals';
import { loadConfig } from '../../core/config.ts';
import { ConfigError } from '../../core/config-error.ts';

const directories: string[] = [];

afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true, force: true });
});

/** A directory of its own with these files in it. */
export function setupConfig(files: Record<string, string> = {}) {
  const cwd = mkdtempSync(join(tmpdir(), 'citadel-config-'));
  directories.push(cwd);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(cwd, name), text);
  const load = (env: Record<string, string | undefined> = {}) => loadConfig({ env, cwd });
  return {
    cwd,
    load,
    problems(env: Record<string, string | undefined> = {}): string[] {
      try {
        load(env);
        return [];
      } catch (error) {
        if (error instanceof ConfigError) return error.problems;
        throw error;
      }
    },
  };
}
