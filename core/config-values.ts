import type { z } from 'zod';
import { ConfigError } from './config-error.ts';
import { type ConfigFile, type Environment, readVariable } from './config-sources.ts';
import { suggestKey } from './config-unknown.ts';
import { maskSecrets } from './mask-secrets.ts';
import {
  envNameOf,
  isInFile,
  type Setting,
  type SettingTable,
  type SettingValues,
  settingsOf,
  toYamlName,
} from './setting-table.ts';

interface Sources {
  env: Environment;
  file: ConfigFile;
  cwd: string;
}

interface ReadValues<Table> {
  /** A setting that is wrong has its default here, and its problems in `problems`. */
  values: SettingValues<Table>;
  /** What each source gave, before it was checked; a setting that no source names is not in it. */
  raw: Map<Setting<unknown>, unknown>;
  problems: string[];
}

interface Found {
  value: unknown;
  /** How a problem names the place, `suffix` being a path inside the value such as `[0].port`. */
  label: (suffix: string) => string;
}

/** Each setting of the table from the first source that names it, checked. */
export function readValues<Table extends SettingTable>(table: Table, sources: Sources): ReadValues<Table> {
  const values = {};
  const raw = new Map<Setting<unknown>, unknown>();
  const problems: string[] = [];
  for (const { setting, path } of settingsOf(table)) {
    let value = structuredClone(setting.fallback);
    try {
      const found = findInEnvironment(setting, path, sources) ?? findInFile(setting, path, sources.file);
      if (found) {
        raw.set(setting, found.value);
        value = check(setting, found);
      }
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      problems.push(...error.problems);
    }
    setAt(values, path, value);
  }
  return { values: values as SettingValues<Table>, raw, problems };
}

function findInEnvironment(
  setting: Setting<unknown>,
  path: readonly string[],
  sources: Sources,
): Found | null {
  const name = envNameOf(setting, path);
  const text = readVariable(sources.env, name);
  if (text === undefined) return null;
  return { value: setting.fromText(text, sources.cwd), label: (suffix) => `${name}${suffix}` };
}

function findInFile(setting: Setting<unknown>, path: readonly string[], file: ConfigFile): Found | null {
  if (!isInFile(setting)) return null;
  let value: unknown = file.root;
  for (const name of path) value = (value as Record<string, unknown> | null | undefined)?.[toYamlName(name)];
  if (value === undefined || value === null) return null;
  return { value, label: (suffix) => `${path.map(toYamlName).join('.')}${suffix} in ${file.name}` };
}

function check(setting: Setting<unknown>, found: Found): unknown {
  const result = setting.schema.safeParse(found.value, { error: inOurWords, reportInput: true });
  if (result.success) return result.data;
  throw new ConfigError(result.error.issues.flatMap((issue) => toProblems(issue, setting, found)));
}

function toProblems(issue: z.core.$ZodIssue, setting: Setting<unknown>, found: Found): string[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => {
      const label = found.label(toSuffix([...issue.path, key]));
      return `${label}: is not known to this version. ${suggestKey(key, setting.keys ?? [])}`;
    });
  }
  const shown = setting.show ? setting.show(issue.input) : showValue(issue.input);
  const got = shown === '' ? '' : `got ${shown}, `;
  return [`${found.label(toSuffix(issue.path))}: ${got}${issue.message}.`];
}

function toSuffix(path: readonly PropertyKey[]): string {
  return path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`)).join('');
}

const SHOWN_LENGTH_MAX = 80;

function showValue(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'a mapping';
  const text = maskSecrets(JSON.stringify(value));
  return text.length > SHOWN_LENGTH_MAX ? `${text.slice(0, SHOWN_LENGTH_MAX)}…` : text;
}

const TAKES: Record<string, string> = {
  string: 'takes a text',
  number: 'takes a number',
  int: 'takes a whole number',
  array: 'takes a list',
  object: 'takes a mapping',
};

/** Zod's issues as what the value takes; a schema's own message comes before this. */
function inOurWords(issue: z.core.$ZodRawIssue): string | undefined {
  const unit = issue.origin === 'string' ? ' characters' : issue.origin === 'array' ? ' entries' : '';
  if (issue.code === 'invalid_type') return TAKES[issue.expected];
  if (issue.code === 'too_small') {
    return `takes ${issue.inclusive ? 'at least' : 'more than'} ${issue.minimum}${unit}`;
  }
  if (issue.code === 'too_big') return `takes at most ${issue.maximum}${unit}`;
  if (issue.code === 'invalid_value') return `takes ${issue.values.join(' or ')}`;
  return undefined;
}

function setAt(target: Record<string, unknown>, path: readonly string[], value: unknown): void {
  const [name = '', ...rest] = path;
  if (rest.length === 0) {
    target[name] = value;
    return;
  }
  target[name] ??= {};
  setAt(target[name] as Record<string, unknown>, rest, value);
}
