import { z } from 'zod';
import { CONFIG_FILE, CONFIG_HELP, SETTINGS } from '../core/config-schema.ts';
import { envNameOf, isInFile, type Setting, settingsOf, toYamlName } from '../core/setting-table.ts';

interface Row {
  /** Its key in citadel.yaml; null where it stands in the environment alone. */
  key: string | null;
  group: string | null;
  cells: string[];
}

const HEAD = `# Configuration

<!-- Made of core/config-schema.ts by "npm run docs": a change here is lost. -->

Nothing must be set. What is set stands in the environment or in \`citadel.yaml\` (\`${CONFIG_FILE.env}\` names another file); a
variable wins, and an empty one counts as not set. Every setting of the file is a variable too: \`CITADEL_\` and its path in
capitals, \`health.interval_ms\` as \`CITADEL_HEALTH_INTERVAL_MS\` (\`log_level\` alone is \`LOG_LEVEL\`). Lists in variables are comma-separated; switches take \`on\`,
\`off\`, \`1\` and \`0\`. A wrong value, and a name that is not known, stop the start with every problem listed at once.

\`npm run citadel -- --help\` prints the same list.
`;

const EXAMPLE = `## A \`citadel.yaml\`

\`\`\`yaml
servers:
  - { id: gpu-1, hostname: 10.0.0.5, port: 8000, api_key_env: GPU_1_KEY }
  - { id: box, hostname: 10.0.0.7, port: 11434, protocol: ollama, max_concurrency: 2 }
classes:
  lightweight: { models: [phi3, openchat], concurrency: 64, queue_depth: 1000 }
aliases: { fast: [phi3, openchat] }
limits: { first_token_ms: 20000, attempts: 2 }
networks: { servers: [loopback, private] }
\`\`\`
`;

/** docs/configuration.md. */
export function configurationPage(): string {
  const rows = readRows();
  const alone = rows.filter(({ key }) => key === null).map(({ cells: [, ...cells] }) => cells);
  const groups = Map.groupBy(
    rows.filter(({ key }) => key !== null),
    ({ group }) => group ?? '',
  );
  const parts = Array.from(groups, ([group, of]) => [
    group === '' ? '### At the top of the file' : `### \`${group}\``,
    toTable(
      ['setting', 'default', 'takes', 'what it is'],
      of.map(({ cells }) => cells),
    ),
  ]);
  return [
    HEAD,
    '## In the environment alone\n',
    `${toTable(['variable', 'default', 'takes', 'what it is'], alone)}\n`,
    '## In `citadel.yaml`, or as variables\n',
    ...parts.map(([title, table]) => `${title}\n\n${table}\n`),
    EXAMPLE,
  ].join('\n');
}

function readRows(): Row[] {
  const help = new Map(CONFIG_HELP.map((entry) => [entry.name, entry]));
  const file = ['', `\`${CONFIG_FILE.env}\``, CONFIG_FILE.fallback, 'a path', CONFIG_FILE.description];
  const settings = Array.from(settingsOf(SETTINGS), ({ setting, path }): Row => {
    const variable = envNameOf(setting, path);
    const { default: preset = '', description = '' } = help.get(variable) ?? {};
    const key = isInFile(setting) ? path.map(toYamlName).join('.') : null;
    const what = [showDefault(preset), takes(setting), description];
    return {
      key,
      group: key && path.length > 1 ? path.slice(0, -1).map(toYamlName).join('.') : null,
      cells: key === null ? ['', `\`${variable}\``, ...what] : [`\`${key}\``, ...what],
    };
  });
  return [{ key: null, group: null, cells: file }, ...settings];
}

const showDefault = (text: string) => (text === 'none' || text === '' ? 'none' : `\`${text}\``);

/** What a setting takes, in a word or two. */
function takes({ schema }: Setting<unknown>): string {
  const shape = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  if (shape.enum) return shape.enum.map((word) => `\`${word}\``).join(', ');
  if (shape.type === 'boolean') return 'on or off';
  if (shape.minimum !== undefined) return `${shape.minimum} to ${shape.maximum}`;
  if (shape.type === 'array') return said(schema, [NOTHING_RIGHT]) ?? 'a list';
  if (shape.type === 'object') return 'a mapping';
  return said(schema, NOTHING_RIGHT) ?? 'a text';
}

const NOTHING_RIGHT = '\0';

/** What the schema says that it takes when it gets something else. */
function said(schema: z.ZodType, wrong: unknown): string | null {
  const message = schema.safeParse(wrong).error?.issues[0]?.message ?? '';
  const [, what] = /^takes (.*)$/.exec(message) ?? [];
  return what ?? null;
}

/** A Markdown table, its columns padded as the formatter would. */
function toTable(head: string[], rows: string[][]): string {
  const lines = [head, ...rows].map((row) => row.map((cell) => cell.replaceAll('|', '\\|')));
  const widths = head.map((_, column) => Math.max(3, ...lines.map((line) => (line[column] ?? '').length)));
  const show = (line: string[]) =>
    `| ${widths.map((width, column) => (line[column] ?? '').padEnd(width)).join(' | ')} |`;
  const [first = [], ...others] = lines;
  return [show(first), show(widths.map((width) => '-'.repeat(width))), ...others.map(show)].join('\n');
}
