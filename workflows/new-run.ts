import { AppError } from '../core/errors.ts';
import type { RunId } from '../core/ids.ts';
import type { Json } from '../core/json-value.ts';
import type { Priority } from '../core/schemas/priority.ts';
import { parseDuration } from './duration.ts';
import { createJsonSchemaCheck, type JsonSchemaCheck } from './json-schema.ts';
import type { Plan } from './plan.ts';
import type { NewRun, Webhook } from './run-store.ts';

/** How a run is to be done, whoever starts it. */
export interface RunTerms {
  id: RunId;
  keyName: string | null;
  weight: number;
  priority: Priority;
  deadlineMs: number | null;
  webhook: Webhook | null;
  tags: readonly string[];
  metadata: Json;
  parent: NewRun['parent'];
  rootId: RunId | null;
  depth: number;
  forkedFrom: RunId | null;
}

const INPUT_CHARS_MAX = 1_048_576;
const TAGS_MAX = 64;

const checks = new WeakMap<Plan, JsonSchemaCheck>();

/** A run of the workflow with this input. Throws AppError `invalid_request` or `payload_too_large` for the input. */
export function newWorkflowRun(plan: Plan, input: Json, terms: RunTerms): NewRun {
  const inputText = JSON.stringify(input);
  if (inputText.length > INPUT_CHARS_MAX) {
    throw new AppError('payload_too_large', 'The input of a run is at most 1 MiB of JSON.', {
      param: 'input',
    });
  }
  checkInput(plan, input);
  const { definition } = plan;
  const deadlines = [
    terms.deadlineMs,
    definition.deadline ? parseDuration(definition.deadline) : null,
  ].filter((limit) => limit !== null);
  return {
    ...terms,
    kind: 'workflow',
    workflow: definition.name,
    definitionHash: plan.hash,
    inputText,
    tags: [...new Set([...terms.tags, ...(definition.tags ?? [])])].slice(0, TAGS_MAX),
    deadlineMs: deadlines.length === 0 ? null : Math.min(...deadlines),
    concurrency: concurrencyOf(plan, input),
  };
}

function checkInput(plan: Plan, input: Json): void {
  const { input: schema } = plan.definition;
  if (!schema) return;
  let check = checks.get(plan);
  if (!check) {
    check = createJsonSchemaCheck(schema);
    checks.set(plan, check);
  }
  const problems = check(input);
  const [first] = problems;
  if (!first) return;
  const text = problems.map(({ path, message }) => `${path} ${message}`).join('; ');
  throw new AppError('invalid_request', `The input does not fit the workflow: ${text}.`, {
    param: first.path.replace(/^\$/, 'input'),
  });
}

function concurrencyOf({ definition, concurrencyKey }: Plan, input: Json): NewRun['concurrency'] {
  if (!definition.concurrency) return null;
  const value = concurrencyKey?.evaluate({ input }) ?? null;
  const key = typeof value === 'string' ? value : JSON.stringify(value);
  return { key: `${definition.name}: ${key}`, limit: definition.concurrency.limit };
}
