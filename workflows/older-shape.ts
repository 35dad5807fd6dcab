type JsonObject = Record<string, unknown>;

/**
 * `json` with the older names of a step's fields put into the present ones, in every step that it holds: `action` →
 * `type`, `dependencies` → `after`, `retry_count` → `retry.max`, `timeout` in seconds → a duration. Nothing is checked:
 * what has no sensible reading stays as it is, to be found by the schema.
 */
export function normaliseDefinition(json: unknown): unknown {
  if (!isObject(json)) return json;
  return replaced(json, { steps: normaliseSteps, on_failure: normaliseSteps });
}

function normaliseSteps(steps: unknown): unknown {
  return Array.isArray(steps) ? steps.map(normaliseStep) : steps;
}

function normaliseStep(json: unknown): unknown {
  if (!isObject(json)) return json;
  const step = replaced(json, {
    steps: normaliseSteps,
    else: normaliseSteps,
    cases: (cases) => (Array.isArray(cases) ? cases.map(normaliseCase) : cases),
    branches: (branches) => (isObject(branches) ? mapValues(branches, normaliseSteps) : branches),
    compensate: (compensate) => withId(normaliseStep(compensate)),
    timeout: toDuration,
  });
  rename(step, 'action', 'type');
  mergeDependencies(step);
  mergeRetryCount(step);
  return step;
}

function normaliseCase(json: unknown): unknown {
  return isObject(json) ? replaced(json, { steps: normaliseSteps }) : json;
}

/** A compensation is known by the step that it belongs to, and needs no id of its own. */
function withId(json: unknown): unknown {
  return isObject(json) && json.id === undefined ? { id: 'compensate', ...json } : json;
}

function toDuration(timeout: unknown): unknown {
  if (typeof timeout !== 'number' || !(timeout >= 0)) return timeout;
  return Number.isInteger(timeout) ? `${timeout}s` : `${Math.round(timeout * 1_000)}ms`;
}

function mergeDependencies(step: JsonObject): void {
  const { after, dependencies } = step;
  if (after === undefined) {
    rename(step, 'dependencies', 'after');
  } else if (Array.isArray(after) && Array.isArray(dependencies)) {
    step.after = [...new Set([...after, ...dependencies])];
    delete step.dependencies;
  }
}

function mergeRetryCount(step: JsonObject): void {
  const { retry, retry_count: max } = step;
  if (max === undefined || (retry !== undefined && !isObject(retry))) return;
  step.retry = { max, ...retry };
  delete step.retry_count;
}

function rename(step: JsonObject, older: string, present: string): void {
  if (step[older] === undefined || step[present] !== undefined) return;
  step[present] = step[older];
  delete step[older];
}

/** A copy in which these members, where they are, have gone through their function. */
function replaced(object: JsonObject, changes: Record<string, (value: unknown) => unknown>): JsonObject {
  return mapValues(object, (value, key) => (Object.hasOwn(changes, key) ? changes[key]?.(value) : value));
}

function mapValues(object: JsonObject, change: (value: unknown, key: string) => unknown): JsonObject {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, change(value, key)]));
}

const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
