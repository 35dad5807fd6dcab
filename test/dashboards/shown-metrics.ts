import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';

interface Dashboard {
  uid: string;
  templating: { list: { query: string }[] };
  panels: { id: number; title: string; targets?: { expr: string }[] }[];
}

interface AlertRules {
  groups: { rules: { alert: string; expr: string; annotations: Record<string, string> }[] }[];
}

/** Every expression of the dashboards and the alert rules, with where it stands. */
export function shownExpressions(): [place: string, expression: string][] {
  const boards = read<Dashboard>('grafana', JSON.parse).flatMap(({ file, content }) =>
    content.panels.flatMap(({ title, targets = [] }) =>
      targets.map(({ expr }): [string, string] => [`${file}: ${title}`, expr]),
    ),
  );
  const rules = alertRules().map(({ alert, expr }): [string, string] => [`alert ${alert}`, expr]);
  return [...boards, ...rules];
}

export const dashboards = () => read<Dashboard>('grafana', JSON.parse).map(({ content }) => content);

export function alertRules() {
  return read<AlertRules>('alerts', parse).flatMap(({ content }) =>
    content.groups.flatMap(({ rules }) => rules),
  );
}

function read<T>(folder: string, parseText: (text: string) => T): { file: string; content: T }[] {
  const directory = fileURLToPath(new URL(`../../dashboards/${folder}`, import.meta.url));
  return readdirSync(directory).map((file) => ({
    file,
    content: parseText(readFileSync(join(directory, file), 'utf8')),
  }));
}
