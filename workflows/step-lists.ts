import { memberPath } from './json-path.ts';
import type { Step } from './step.ts';

/** One list of steps in a definition, and where it stands. */
export interface StepList {
  steps: readonly Step[];
  /** What the paths of its steps begin with: '', 'fan/', 'pick/0/', 'on_failure/'. */
  prefix: string;
  /** Its JSON path. */
  at: string;
  /** Each step without `after` follows the one before it. */
  isSequence: boolean;
  /** What its expressions may use beside what those of its container may. */
  names: readonly string[];
}

/** The lists inside `step`, whose own path is `path` and whose JSON path is `at`. */
export function listsOf(step: Step, path: string, at: string): StepList[] {
  const list = (steps: readonly Step[], prefix: string, json: string, names: string[] = []): StepList => ({
    steps,
    prefix,
    at: json,
    isSequence: true,
    names,
  });
  switch (step.type) {
    case 'map':
      return [list(step.steps, `${path}/`, `${at}.steps`, ['item', 'index'])];
    case 'loop':
      return [list(step.steps, `${path}/`, `${at}.steps`, ['loop'])];
    case 'branch': {
      const cases = step.cases.map(({ steps }, index) =>
        list(steps, `${path}/${index}/`, `${memberPath(`${at}.cases`, index)}.steps`),
      );
      return step.else ? [...cases, list(step.else, `${path}/else/`, `${at}.else`)] : cases;
    }
    case 'parallel':
      return Object.entries(step.branches).map(([name, steps]) =>
        list(steps, `${path}/${name}/`, memberPath(`${at}.branches`, name)),
      );
    default:
      return [];
  }
}
