import { loadConfig } from '../core/config.ts';
import { withApi } from './api-access.ts';
import type { ApiClient, ApiEvent } from './api-client.ts';
import { parseOptions, UsageError } from './command.ts';
import { createTextMarks, followEvents } from './follow-events.ts';

/** What `citadel runs` and `citadel jobs` do alike. */
export interface WorkCommand {
  /** `runs` or `jobs`. */
  name: string;
  /** Of the API. */
  path: string;
  /** A filter of the list beside `status` and `limit`. */
  filters: readonly string[];
  /** A line of the list. */
  toRow(item: WorkItem): Record<string, unknown>;
  /** What a piece of a step's text shows. */
  toText(text: string): string;
}

export interface WorkItem {
  id: string;
  status: string;
  created_at: string;
  finished_at: string | null;
  error: { code: string | null; message: string } | null;
  [field: string]: unknown;
}

export const SHARED_OPTIONS = [
  { usage: 'list', description: 'lists them, the newest first' },
  { usage: '    --status <status>', description: 'only those of this status' },
  { usage: '    --limit <count>', description: 'at most so many, up to 100 [20]' },
  { usage: 'show <id>', description: 'shows one with all that is known of it' },
  { usage: 'follow <id>', description: 'prints what happens to it, and what its models say, until its end' },
  { usage: 'cancel <id>', description: 'ends it' },
  { usage: 'retry <id>', description: 'has a failed one try again' },
  { usage: '--json', description: 'prints JSON, as the API answers' },
];

const ACTIONS = ['list', 'show', 'follow', 'cancel', 'retry'] as const;
type Action = (typeof ACTIONS)[number];

export function isAction(text: string | undefined): text is Action {
  return (ACTIONS as readonly (string | undefined)[]).includes(text);
}

/** Runs one of the actions that both commands have. Sets the exit code to 1 when what it followed has not succeeded. */
export async function runAction(
  command: WorkCommand,
  action: Action,
  args: readonly string[],
): Promise<void> {
  if (action === 'list') return await list(command, args);
  const { id, json } = parseTarget(command, action, args);
  const path = `${command.path}/${encodeURIComponent(id)}`;
  await withApi(loadConfig(), async (api) => {
    if (action === 'follow') return await follow(api, command, { path, json });
    if (action === 'show') return print(await api.get<WorkItem>(path));
    const item = await api.post<WorkItem>(`${path}/${action}`);
    if (json) return print(item);
    console.log(`${item.id} is ${item.status}.`);
  });
}

async function list({ name, path, filters, toRow }: WorkCommand, args: readonly string[]): Promise<void> {
  const query = ['status', 'limit', ...filters];
  const options = parseOptions(name, args, {
    ...Object.fromEntries(query.map((filter) => [filter, { type: 'string' as const }])),
    json: { type: 'boolean' as const },
  });
  await withApi(loadConfig(), async (api) => {
    const asked = Object.fromEntries(
      query.map((filter) => [filter, (options as Record<string, string | undefined>)[filter]]),
    );
    const page = await api.get<{ data: WorkItem[] }>(path, asked);
    if (options.json) return print(page);
    if (page.data.length === 0) return console.log(`There are no ${name}.`);
    console.table(page.data.map(toRow));
  });
}

function parseTarget({ name }: WorkCommand, action: string, [id, ...rest]: readonly string[]) {
  if (id === undefined || id.startsWith('-')) {
    throw new UsageError(`citadel ${name} ${action} needs an id. See citadel ${name} list.`);
  }
  const { json = false } = parseOptions(name, rest, { json: { type: 'boolean' } });
  return { id, json };
}

/** Prints what happens until the end. */
export async function follow(
  api: ApiClient,
  { toText }: WorkCommand,
  { path, json }: { path: string; json: boolean },
): Promise<void> {
  const marks = createTextMarks();
  let inText = false;
  let last = '';
  for await (const event of followEvents(api, `${path}/events`)) {
    if (event.id !== null) last = event.type;
    if (json) {
      console.log(JSON.stringify(event));
      continue;
    }
    if (event.id === null) {
      const { text, isNew } = marks.fresh(event);
      process.stdout.write((isNew && inText ? '\n' : '') + toText(text));
      inText = true;
      continue;
    }
    if (inText) process.stdout.write('\n');
    inText = false;
    console.log(toLine(event));
  }
  if (!last.endsWith('.succeeded')) process.exitCode = 1;
}

function toLine({ type, data }: ApiEvent): string {
  const { step, at, ...rest } = data;
  const time = String(at).slice('yyyy-mm-ddT'.length, 'yyyy-mm-ddThh:mm:ss'.length);
  const more = Object.keys(rest).length === 0 ? '' : ` ${JSON.stringify(rest)}`;
  return `${time} ${type}${step === undefined ? '' : ` ${step}`}${more}`;
}

export function print(value: object): void {
  console.log(JSON.stringify(value, null, 2));
}
