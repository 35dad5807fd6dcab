import type { Kind } from './config-kinds.ts';

export interface Setting<T> extends Kind<T> {
  fallback: T;
  description: string;
  /** Its environment variable. Without one it is a key of citadel.yaml, which gives the variable its name. */
  env?: string;
  /** Although it has a variable of its own. */
  isInFileToo?: boolean;
}

/** The values of a table of settings, in the table's shape. */
export type SettingValues<Table> = {
  [Name in keyof Table]: Table[Name] extends Setting<infer T> ? T : SettingValues<Table[Name]>;
};

export interface SettingTable {
  [name: string]: Setting<unknown> | SettingTable;
}

export function isSetting(entry: Setting<unknown> | SettingTable): entry is Setting<unknown> {
  return 'schema' in entry;
}

/** `firstTokenMs` as citadel.yaml writes it: `first_token_ms`; a number is a word too, `per_10s`. */
export function toYamlName(name: string): string {
  return name.replace(/[A-Z]|\d+/g, (start) => `_${start.toLowerCase()}`);
}

/** The environment variable of the setting at `path`. */
export function envNameOf(setting: Setting<unknown>, path: readonly string[]): string {
  return setting.env ?? `CITADEL_${path.map(toYamlName).join('_').toUpperCase()}`;
}

/** Whether citadel.yaml may set it. */
export function isInFile({ env, isInFileToo = false }: Setting<unknown>): boolean {
  return env === undefined || isInFileToo;
}

/** Every setting of a table with its path in it. */
export function* settingsOf(
  table: SettingTable,
  path: readonly string[] = [],
): Generator<{ setting: Setting<unknown>; path: readonly string[] }> {
  for (const [name, entry] of Object.entries(table)) {
    if (isSetting(entry)) yield { setting: entry, path: [...path, name] };
    else yield* settingsOf(entry, [...path, name]);
  }
}
