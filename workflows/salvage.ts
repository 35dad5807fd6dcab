import type { z } from 'zod';
import { WorkflowDefinition } from './definition.ts';

const LISTS = new Set<PropertyKey>(['steps', 'on_failure', 'else']);
// A definition may be wrong on several levels; each turn takes out the wrong parts of one.
const TURNS_MAX = 8;

/**
 * What is left of a wrong definition when each step that is wrong has become one that does nothing, and each other part
 * that is wrong is left out: enough to look for further mistakes. Null when nothing sensible is left.
 */
export function salvageDefinition(json: unknown, error: z.ZodError): WorkflowDefinition | null {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return null;
  const copy: Record<string, unknown> = JSON.parse(JSON.stringify(json));
  let { issues } = error;
  for (let turn = 0; turn < TURNS_MAX; turn += 1) {
    for (const issue of issues) takeOut(copy, issue);
    const parsed = WorkflowDefinition.safeParse(copy);
    if (parsed.success) return parsed.data;
    issues = parsed.error.issues;
  }
  return null;
}

function takeOut(root: Record<string, unknown>, issue: z.core.$ZodIssue): void {
  const at = stepDepth(root, issue.path);
  if (at > 0) {
    replaceStep(root, issue.path.slice(0, at));
  } else if (issue.path[0] === 'name') {
    root.name = 'unnamed';
  } else if (issue.path[0] !== undefined) {
    delete root[String(issue.path[0])];
  } else if (issue.code === 'unrecognized_keys') {
    for (const key of issue.keys) delete root[key];
  }
}

/** How many parts of the path lead to the innermost step on it. */
function stepDepth(root: unknown, path: readonly PropertyKey[]): number {
  let depth = 0;
  for (const [index, part] of path.entries()) {
    const list = path[index - 1];
    const isInList = typeof part === 'number' && list !== undefined && LISTS.has(list);
    const isInBranch = typeof part === 'number' && path[index - 2] === 'branches';
    if (isInList || isInBranch || part === 'compensate') depth = index + 1;
  }
  return valueAt(root, path.slice(0, depth)) === undefined ? 0 : depth;
}

function replaceStep(root: Record<string, unknown>, path: readonly PropertyKey[]): void {
  const parent = valueAt(root, path.slice(0, -1)) as Record<PropertyKey, unknown> | undefined;
  const key = path.at(-1);
  if (parent === undefined || key === undefined) return;
  const step = parent[key];
  const id = typeof step === 'object' && step !== null && 'id' in step ? step.id : undefined;
  const isNamed = typeof id === 'string' && /^[A-Za-z][A-Za-z0-9_-]{0,63}$/.test(id);
  if (key === 'compensate') delete parent[key];
  else
    parent[key] = {
      id: isNamed ? id : `unnamed-${path.join('-')}`.slice(0, 64),
      type: 'transform',
      value: null,
    };
}

function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  let value = root;
  for (const part of path) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = (value as Record<PropertyKey, unknown>)[part];
  }
  return value;
}
