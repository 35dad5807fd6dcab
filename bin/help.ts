import { CONFIG_HELP } from '../core/config-schema.ts';
import type { Command } from './command.ts';

const pad = (text: string, width: number) => text.padEnd(width);

export function overallHelp(commands: readonly Command[]): string {
  const width = Math.max(...commands.map(({ name }) => name.length)) + 2;
  const variableWidth = Math.max(...CONFIG_HELP.map(({ name }) => name.length)) + 2;
  return [
    'Citadel: an AI gateway in which every request is a durable job.',
    '',
    'Usage: citadel <command> [options]      (in a checkout: npm run citadel -- <command>)',
    '',
    'Commands:',
    ...commands.map(({ name, summary }) => `  ${pad(name, width)}${summary}`),
    '',
    "citadel <command> --help lists a command's options.",
    '',
    'Settings (environment; most stand in citadel.yaml too):',
    ...CONFIG_HELP.map(
      ({ name, default: preset, description }) => `  ${pad(name, variableWidth)}${description} [${preset}]`,
    ),
  ].join('\n');
}

export function commandHelp({ name, summary, options }: Command): string {
  const width = Math.max(0, ...options.map(({ usage }) => usage.length)) + 2;
  const list = options.map(({ usage, description }) => `  ${pad(usage, width)}${description}`);
  return [`citadel ${name}: ${summary}`, ...(list.length > 0 ? ['', 'Options:', ...list] : [])].join('\n');
}
