import { existsSync, readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { ConfigError } from './config-error.ts';
import { describeJsonFault } from './json-fault.ts';

export type Environment = Record<string, string | undefined>;

export interface ConfigFile {
  /** The file's name as it was given, for messages. */
  name: string;
  root: Record<string, unknown>;
}

const DEFAULT_FILE = 'citadel.yaml';
const FILE_BYTES_MAX = 1024 * 1024;
const SYNTAX_PROBLEMS_MAX = 5;

const require = createRequire(import.meta.url);

/** The variable's text without blanks around; an empty one counts as not set, since compose files pass those on. */
export function readVariable(env: Environment, name: string): string | undefined {
  return env[name]?.trim() || undefined;
}

/** The configuration file: the one that CITADEL_CONFIG names, which must be there, or ./citadel.yaml if there.
 *  Throws ConfigError. */
export function readConfigFile(named: string | undefined, cwd: string): ConfigFile {
  const name = named ?? DEFAULT_FILE;
  const path = resolve(cwd, name);
  if (named === undefined && !existsSync(path)) return { name, root: {} };
  const text = readText(path, named === undefined ? name : `CITADEL_CONFIG: ${name}`);
  return { name, root: parseYaml(text, name) };
}

/** The JSON of CITADEL_SERVERS, which stands in the variable or in the file that it names. Throws ConfigError. */
export function readServerList(text: string, cwd: string): unknown {
  const isInline = /^\s*[[{]/.test(text);
  const label = isInline ? 'CITADEL_SERVERS' : `CITADEL_SERVERS: ${text}`;
  const json = isInline ? text : readText(resolve(cwd, text), label);
  try {
    return JSON.parse(json);
  } catch (error) {
    throw new ConfigError([`${label}: is not valid JSON: ${describeJsonFault(json, error)}.`]);
  }
}

function readText(path: string, label: string): string {
  try {
    const file = statSync(path);
    if (!file.isFile()) throw new ConfigError([`${label}: is not a file.`]);
    if (file.size > FILE_BYTES_MAX) throw new ConfigError([`${label}: is over ${FILE_BYTES_MAX} bytes.`]);
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    const reason = code === 'ENOENT' ? 'there is no such file' : `cannot be read, ${code}`;
    throw new ConfigError([`${label}: ${reason} (looked for ${path}).`]);
  }
}

function parseYaml(text: string, name: string): Record<string, unknown> {
  // Here, because many have no file, and the parser takes 12 MB.
  const { LineCounter, parseDocument } = require('yaml') as typeof import('yaml');
  const lines = new LineCounter();
  // Not pretty: a pretty error quotes the line, and the line may hold a secret.
  const document = parseDocument(text, { prettyErrors: false, lineCounter: lines });
  if (document.errors.length > 0) {
    throw new ConfigError(
      document.errors.slice(0, SYNTAX_PROBLEMS_MAX).map(({ message, pos }) => {
        const { line, col } = lines.linePos(pos[0]);
        return `${name}: line ${line}, column ${col}: ${message}.`;
      }),
    );
  }
  const root = toPlain(() => document.toJS(), name) ?? {};
  if (typeof root === 'object' && !Array.isArray(root)) return root as Record<string, unknown>;
  throw new ConfigError([`${name}: takes "key: value" lines at its top level.`]);
}

function toPlain(read: () => unknown, name: string): unknown {
  try {
    return read();
  } catch (error) {
    // Aliases are resolved only here: unknown ones and those that multiply without end are found now.
    throw new ConfigError([`${name}: ${(error as Error).message}.`]);
  }
}
