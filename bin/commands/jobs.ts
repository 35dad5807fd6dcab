import { type Command, UsageError } from '../command.ts';
import { isAction, runAction, SHARED_OPTIONS, type WorkCommand } from '../work-command.ts';

const COMMAND: WorkCommand = {
  name: 'jobs',
  path: '/api/v1/orchestrate',
  filters: ['kind'],
  toRow: ({ id, kind, model, status, created_at, error }) => ({
    id,
    kind,
    model: model ?? '',
    status,
    created: created_at,
    error: error?.code ?? '',
  }),
  toText: (text) => text.split('\n').map(wordsOf).join(''),
};

export const jobs: Command = {
  name: 'jobs',
  summary: 'Looks after jobs: citadel jobs list|show|follow|cancel|retry',
  options: [
    ...SHARED_OPTIONS.slice(0, 2),
    { usage: '    --kind <kind>', description: 'only chat, completion, embedding or workflow' },
    ...SHARED_OPTIONS.slice(2),
  ],
  async run([action, ...rest]) {
    if (isAction(action)) return await runAction(COMMAND, action, rest);
    throw new UsageError('citadel jobs takes list, show, follow, cancel or retry. See citadel jobs --help.');
  },
};

/** The words in a chunk of an answer. */
function wordsOf(chunk: string): string {
  if (chunk === '') return '';
  const { choices = [] } = JSON.parse(chunk) as {
    choices?: { delta?: { content?: string | null }; text?: string | null }[];
  };
  return choices.map(({ delta, text }) => delta?.content ?? text ?? '').join('');
}
