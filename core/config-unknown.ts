import { CONFIG_FILE } from './config-schema.ts';
import type { ConfigFile, Environment } from './config-sources.ts';
import { nearestName } from './nearest-name.ts';
import {
  envNameOf,
  isInFile,
  isSetting,
  type SettingTable,
  settingsOf,
  toYamlName,
} from './setting-table.ts';

const PREFIX = 'CITADEL_';

/** A sentence for each setting that is there and has no effect. */
export function settingsWithoutEffect(env: Environment): string[] {
  return isKeyForCommands(env) ? [KEY_FOR_COMMANDS] : [];
}

const KEY_FOR_COMMANDS =
  'CITADEL_API_KEY is read by the runs and jobs commands alone; the keys of a server are in CITADEL_API_KEYS.';

function isKeyForCommands({ CITADEL_API_KEY = '', CITADEL_URL = '' }: Environment): boolean {
  return CITADEL_API_KEY !== '' && CITADEL_URL === '';
}

// Kubernetes gives every pod these for a service that is called citadel or citadel-<something>.
const SERVICE_LINK = /_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP)(_(PROTO|PORT|ADDR))?)$/;
const SERVICE_ADDRESS = /^(tcp|udp):\/\//;

/** A problem for each `CITADEL_…` variable that is no setting and that no registration names (`keyVariables`). */
export function unknownVariables(table: SettingTable, env: Environment, keyVariables: Set<string>): string[] {
  const known = [
    CONFIG_FILE.env,
    ...Array.from(settingsOf(table), ({ setting, path }) => envNameOf(setting, path)),
  ];
  return Object.keys(env)
    .filter((name) => name.startsWith(PREFIX) && !known.includes(name) && !keyVariables.has(name))
    .filter((name) => !SERVICE_LINK.test(name) && !SERVICE_ADDRESS.test(env[name] ?? ''))
    .map((name) => `${name}: is not known to this version. ${suggestVariable(name, known)}`);
}

// Compared without the prefix: it would make every name look alike, and CITADEL_PORT is meant for PORT.
function suggestVariable(name: string, known: string[]): string {
  const bare = new Map(known.map((other) => [withoutPrefix(other), other]));
  const nearest = nearestName(withoutPrefix(name), bare.keys());
  return nearest === null ? '"citadel --help" lists the variables.' : `Did you mean ${bare.get(nearest)}?`;
}

const withoutPrefix = (name: string) => (name.startsWith(PREFIX) ? name.slice(PREFIX.length) : name);

/** A problem for each key of the file that is no setting, and for each group of settings that is no mapping. */
export function unknownFileKeys(table: SettingTable, file: ConfigFile): string[] {
  return unknownKeysIn(file.root, table, { file: file.name, path: '' });
}

function unknownKeysIn(
  group: Record<string, unknown>,
  table: SettingTable,
  place: { file: string; path: string },
): string[] {
  const entries = new Map(Object.entries(table).map(([name, entry]) => [toYamlName(name), entry]));
  const known = [...entries]
    .filter(([, entry]) => !isSetting(entry) || isInFile(entry))
    .map(([name]) => name);
  return Object.entries(group).flatMap(([key, value]) => {
    const path = `${place.path}${key}`;
    const entry = entries.get(key);
    if (entry && isSetting(entry) && !isInFile(entry)) {
      return [`${path} in ${place.file}: is set in the environment, as ${entry.env}.`];
    }
    if (!entry) return [`${path} in ${place.file}: is not known to this version. ${suggestKey(key, known)}`];
    if (isSetting(entry) || value === null) return [];
    if (typeof value !== 'object' || Array.isArray(value)) {
      return [
        `${path} in ${place.file}: takes a mapping of ${Object.keys(entry).map(toYamlName).join(', ')}.`,
      ];
    }
    return unknownKeysIn(value as Record<string, unknown>, entry, { file: place.file, path: `${path}.` });
  });
}

/** Which of the known keys a wrong one may stand for, as a sentence. */
export function suggestKey(key: string, known: string[]): string {
  const nearest = nearestName(key, known);
  return nearest === null ? `Known here: ${known.join(', ')}.` : `Did you mean ${nearest}?`;
}
