import { readFile } from 'node:fs/promises';
import { loadConfig } from '../../core/config.ts';
import { withApi } from '../api-access.ts';
import { type Command, parseOptions, UsageError } from '../command.ts';
import {
  follow,
  isAction,
  print,
  runAction,
  SHARED_OPTIONS,
  type WorkCommand,
  type WorkItem,
} from '../work-command.ts';

const COMMAND: WorkCommand = {
  name: 'runs',
  path: '/api/v1/workflows',
  filters: ['workflow', 'tag', 'since'],
  toRow: ({ id, workflow, status, created_at, finished_at, error }) => ({
    id,
    workflow,
    status,
    created: created_at,
    finished: finished_at ?? '',
    error: error?.code ?? '',
  }),
  toText: (text) => text,
};

export const runs: Command = {
  name: 'runs',
  summary: 'Starts and looks after workflow runs: citadel runs start|list|show|follow|cancel|retry',
  options: [
    {
      usage: 'start <name or file>',
      description: 'starts a stored workflow, or the definition in a JSON file:',
    },
    { usage: '    --input <json>', description: 'its input; @file reads it from a file [{}]' },
    { usage: '    --follow', description: 'prints what happens until its end' },
    ...SHARED_OPTIONS.slice(0, 2),
    { usage: '    --workflow, --tag', description: 'only those of this workflow, with this tag' },
    { usage: '    --since <time>', description: 'only those since then, such as 2027-01-31T12:00:00Z' },
    ...SHARED_OPTIONS.slice(2),
  ],
  async run([action, ...rest]) {
    if (action === 'start') return await start(rest);
    if (isAction(action)) return await runAction(COMMAND, action, rest);
    throw new UsageError(
      'citadel runs takes start, list, show, follow, cancel or retry. See citadel runs --help.',
    );
  },
};

async function start([workflow, ...rest]: readonly string[]): Promise<void> {
  if (workflow === undefined || workflow.startsWith('-')) {
    throw new UsageError('citadel runs start needs the name of a workflow, or the file of a definition.');
  }
  const options = parseOptions('runs', rest, {
    input: { type: 'string' },
    follow: { type: 'boolean' },
    json: { type: 'boolean' },
  });
  const body = { ...(await toReference(workflow)), input: await readInput(options.input ?? '{}') };
  await withApi(loadConfig(), async (api) => {
    const run = await api.post<WorkItem>(COMMAND.path, body);
    if (options.json && !options.follow) return print(run);
    if (!options.json) console.log(`${run.id} is ${run.status}.`);
    if (!options.follow) return;
    await follow(api, COMMAND, { path: `${COMMAND.path}/${run.id}`, json: options.json ?? false });
  });
}

const IS_FILE = /[/\\]|\.json$/;

async function toReference(workflow: string): Promise<object> {
  if (!IS_FILE.test(workflow)) return { workflow };
  return { definition: await readJsonFile(workflow) };
}

async function readInput(text: string): Promise<unknown> {
  if (text.startsWith('@')) return await readJsonFile(text.slice(1));
  return parseJson(text, '--input');
}

async function readJsonFile(path: string): Promise<unknown> {
  try {
    return parseJson(await readFile(path, 'utf8'), path);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`${path} cannot be read: ${(error as Error).message}.`);
  }
}

function parseJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UsageError(`${what} is not JSON: ${(error as Error).message}.`);
  }
}
