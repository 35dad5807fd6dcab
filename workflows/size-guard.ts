import type { Problem } from './problem.ts';

const DEFINITION_CHARS_MAX = 1_048_576;
const DEPTH_MAX = 64;

/** Whether `json` is larger or deeper than a definition may be. Reads it without recursion. */
export function findSizeProblem(json: unknown): Problem | null {
  const open: { value: unknown; depth: number }[] = [{ value: json, depth: 0 }];
  let chars = 0;
  for (let next = open.pop(); next; next = open.pop()) {
    const { value, depth } = next;
    chars += typeof value === 'string' ? value.length + 2 : 2;
    if (chars > DEFINITION_CHARS_MAX) return { path: '$', message: 'a definition has at most 1 MiB of JSON' };
    if (typeof value !== 'object' || value === null) continue;
    if (depth === DEPTH_MAX)
      return { path: '$', message: `a definition is nested at most ${DEPTH_MAX} levels deep` };
    for (const [key, member] of Object.entries(value)) {
      if (!Array.isArray(value)) chars += key.length + 3;
      open.push({ value: member, depth: depth + 1 });
    }
  }
  return null;
}
