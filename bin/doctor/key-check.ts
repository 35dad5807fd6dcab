import { type Config, isLoopback } from '../../core/config.ts';
import { withKeyDesk } from '../key-desk.ts';
import type { RunningServer } from '../server-announcement.ts';
import { type Check, type Finding, ok, problem, warn } from './finding.ts';
import type { ExaminedDatabase } from './store-checks.ts';

const LENGTH_MIN = 24;
const DIFFERENT_MIN = 10;
const USUAL = /password|secret|changeme|example|test|admin|12345|qwerty/i;

/** Who may call, and by what. No key is shown, only its name. */
export function keyCheck(config: Config, examined: ExaminedDatabase, server: RunningServer | null): Check {
  return {
    name: 'keys',
    async run() {
      const inStore = await countStored(config, examined, server);
      return [openFinding(config, inStore), ...weakFindings(config)];
    },
  };
}

async function countStored(config: Config, examined: ExaminedDatabase, server: RunningServer | null) {
  if (!server) return (await examined.catch(() => null))?.found.keyCount ?? 0;
  const keys = await withKeyDesk(config, (desk) => desk.list());
  return keys.filter(({ revoked_at }) => revoked_at === null).length;
}

function openFinding({ host, apiKeys }: Config, inStore: number): Omit<Finding, 'check'> {
  const count = apiKeys.length + inStore;
  if (count > 0) return ok(`${apiKeys.length} in the configuration, ${inStore} in the store`);
  if (isLoopback(host)) return ok(`none, and only this machine can call (HOST=${host})`);
  const cure =
    'citadel keys create --name <name>, or set CITADEL_API_KEYS, or HOST=127.0.0.1: else it does not start.';
  return problem(`none, and HOST=${host} lets others call`, cure);
}

function weakFindings({ apiKeys, databaseUrl }: Config): Omit<Finding, 'check'>[] {
  const cure = 'Replace it by one that citadel keys create makes.';
  const weak = apiKeys
    .filter(({ key }) => isWeak(key))
    .map(({ name }) => warn(`the key "${name}" can be guessed`, cure));
  if (databaseUrl === undefined) return weak;
  const { hostname, password } = new URL(databaseUrl);
  if (password === '' || isLoopback(hostname) || !isWeak(decodeURIComponent(password))) return weak;
  return [...weak, warn("the database's password can be guessed", 'Give its user another one.')];
}

function isWeak(text: string): boolean {
  return text.length < LENGTH_MIN || new Set(text).size < DIFFERENT_MIN || USUAL.test(text);
}
