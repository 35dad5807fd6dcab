import type { KeyView } from '../../access/key-view.ts';
import { loadConfig } from '../../core/config.ts';
import { type Command, parseOptions, UsageError } from '../command.ts';
import { withKeyDesk } from '../key-desk.ts';

export const keys: Command = {
  name: 'keys',
  summary: 'Makes, lists and revokes API keys: citadel keys create|list|revoke',
  options: [
    { usage: 'create --name <name>', description: 'makes a key and prints it, this once:' },
    { usage: '    --role user|admin', description: 'what it may do [user]' },
    { usage: '    --rpm <count>', description: 'requests per minute' },
    { usage: '    --tpm <count>', description: 'tokens per minute' },
    { usage: '    --max-concurrency <count>', description: 'requests at once' },
    { usage: '    --models <id>[,<id>]', description: 'the models it may call [all]' },
    { usage: '    --token-budget <count>/day', description: 'tokens in a day, or /month, of UTC' },
    { usage: '    --weight <number>', description: 'its part beside other keys where callers wait [1]' },
    { usage: '    --expires-at <time>', description: 'such as 2027-01-31T12:00:00Z' },
    { usage: 'list', description: 'lists the keys, newest first' },
    { usage: 'revoke <id or name>', description: 'ends a key, within a second everywhere' },
    { usage: '--json', description: 'prints JSON, as the API answers' },
  ],
  async run([action, ...rest]) {
    if (action === 'create') return await create(rest);
    if (action === 'list') return await list(rest);
    if (action === 'revoke') return await revoke(rest);
    throw new UsageError(`citadel keys takes create, list or revoke. See citadel keys --help.`);
  },
};

async function create(args: readonly string[]): Promise<void> {
  const options = parseOptions('keys', args, {
    name: { type: 'string' },
    role: { type: 'string' },
    rpm: { type: 'string' },
    tpm: { type: 'string' },
    'max-concurrency': { type: 'string' },
    models: { type: 'string', multiple: true },
    'token-budget': { type: 'string' },
    weight: { type: 'string' },
    'expires-at': { type: 'string' },
    json: { type: 'boolean' },
  });
  if (options.name === undefined) throw new UsageError('citadel keys create needs --name <name>.');
  const wanted = {
    name: options.name,
    role: options.role,
    requests_per_minute: numberOf('rpm', options.rpm),
    tokens_per_minute: numberOf('tpm', options.tpm),
    max_concurrency: numberOf('max-concurrency', options['max-concurrency']),
    models: options.models?.flatMap((names) => names.split(',')).map((name) => name.trim()),
    token_budget: budgetOf(options['token-budget']),
    weight: numberOf('weight', options.weight),
    expires_at: options['expires-at'],
  };
  const made = await withKeyDesk(loadConfig(), (desk) => desk.create(wanted));
  if (options.json) return print(made);
  console.log(`${made.key}\n`);
  console.log(`This is the key "${made.name}" (${made.id}, ${made.role}). It is not shown again.`);
}

async function list(args: readonly string[]): Promise<void> {
  const options = parseOptions('keys', args, { json: { type: 'boolean' } });
  const all = await withKeyDesk(loadConfig(), (desk) => desk.list());
  if (options.json) return print(all);
  if (all.length === 0) return console.log('There are no keys in the store. citadel keys create makes one.');
  console.table(all.map(toRow));
}

async function revoke(args: readonly string[]): Promise<void> {
  const [first, ...others] = args;
  const isNamed = first !== undefined && !first.startsWith('-');
  const options = parseOptions('keys', isNamed ? others : args, {
    id: { type: 'string' },
    name: { type: 'string' },
    json: { type: 'boolean' },
  });
  const wanted = isNamed ? first : (options.id ?? options.name);
  if (wanted === undefined) throw new UsageError('citadel keys revoke needs the id or the name of a key.');
  const revoked = await withKeyDesk(loadConfig(), async (desk) => {
    const all = await desk.list();
    const key =
      all.find(({ id }) => id === wanted) ??
      all.find(({ name, revoked_at }) => name === wanted && revoked_at === null);
    if (!key) throw new UsageError(`There is no key "${wanted}". See citadel keys list.`);
    await desk.revoke(key.id);
    return key;
  });
  if (options.json) return print({ id: revoked.id, object: 'api_key', deleted: true });
  console.log(`The key "${revoked.name}" (${revoked.id}) is revoked.`);
}

function toRow(key: KeyView) {
  const { requests_per_minute, tokens_per_minute, max_concurrency, token_budget } = key;
  const limits = [
    requests_per_minute && `${requests_per_minute} requests/min`,
    tokens_per_minute && `${tokens_per_minute} tokens/min`,
    max_concurrency && `${max_concurrency} at once`,
    token_budget && `${token_budget.tokens} tokens/${token_budget.per}`,
    key.models?.join(' '),
  ];
  return {
    id: key.id,
    name: key.name,
    role: key.role,
    key: `${key.prefix}…`,
    limits: limits.filter(Boolean).join(', ') || 'none',
    'last used': key.last_used_at ?? 'never',
    state: stateOf(key),
  };
}

function stateOf({ revoked_at, expires_at }: KeyView): string {
  if (revoked_at !== null) return `revoked ${revoked_at}`;
  if (expires_at === null) return 'valid';
  return new Date(expires_at) > new Date() ? `valid until ${expires_at}` : `expired ${expires_at}`;
}

function numberOf(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value)) return value;
  throw new UsageError(`--${name} takes a number, not "${text}".`);
}

function budgetOf(text: string | undefined): object | undefined {
  if (text === undefined) return undefined;
  const [, tokens, per] = /^(\d+)\/(day|month)$/.exec(text) ?? [];
  if (tokens === undefined) {
    throw new UsageError(
      `--token-budget takes tokens and a period, such as 100000/day or 2000000/month, not "${text}".`,
    );
  }
  return { tokens: Number(tokens), per };
}

function print(value: object): void {
  console.log(JSON.stringify(value, null, 2));
}
